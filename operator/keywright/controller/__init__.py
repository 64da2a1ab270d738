"""From events to work and back: kopf's watches, a queue by due time, workers, one reconcile.

The only room that imports kopf, and `wiring` the only place that puts all the others together.
"""
