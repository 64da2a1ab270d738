"""Observability: metrics, health probes, logs without secrets."""
