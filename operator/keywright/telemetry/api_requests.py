"""The metrics of requests to the Kubernetes API."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from keywright.telemetry.families import status_label

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ApiRequestCounter:
    """Counts and times requests by verb, resource and code; each series is looked up once.

    Resolving labels costs more than the count, and each renewal sends two requests.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "keywright_api_requests",
            "Requests to the Kubernetes API, by verb and resource as in RBAC, and by HTTP status;"
            " other requests, such as discovery, count as other, a missing response as none.",
            ("verb", "resource", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "keywright_api_request_duration_seconds",
            "Duration of requests to the Kubernetes API; of a watch, until its response begins.",
            ("verb", "resource"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._series: dict[tuple[str, str, int | None], tuple[Counter, Histogram]] = {}

    def count(self, verb: str, resource: str, *, status: int | None, seconds: float) -> None:
        """Record one request; `status` is that of HTTP, None without a response."""
        series = self._series.get((verb, resource, status))
        if series is None:
            series = self._series[verb, resource, status] = (
                self._requests.labels(verb, resource, status_label(status)),
                self._seconds.labels(verb, resource),
            )
        series[0].inc()
        series[1].observe(seconds)
