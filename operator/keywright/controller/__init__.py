"""Watch events, work queues, workers and reconciles; based on kopf.

The only package that imports kopf. `wiring` is the only module that connects all the others.
"""
