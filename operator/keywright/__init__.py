"""Keywright: issues cloud credentials and API keys into Kubernetes Secrets, and renews them.

The packages, from the outside in; imports point in one direction: `cli` > `controller` > `clouds |
cluster | telemetry` > `planning | secrets` > `api`.
"""
