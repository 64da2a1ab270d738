"""Keywright: mints cloud credentials and API keys into Kubernetes Secrets and renews them in time.

The rooms, from the outside in; imports point one way:
`cli` > `controller` > `clouds | cluster | telemetry` > `planning | secrets` > `api`.
"""
