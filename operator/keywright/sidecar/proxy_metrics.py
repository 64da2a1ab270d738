"""Counters and latency of the proxy, on a port of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class ProxyMetrics:
    """The metrics of one proxy; no label has a value that a client chooses."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "keywright_proxy_requests",
            "Responses of the server, by class of status, such as 2xx",
            ["code"],
            registry=self.registry,
        )
        self._by_class = {each: self._requests.labels(f"{each}xx") for each in range(1, 6)}
        self._other = self._requests.labels("other")
        self._refused = Counter(
            "keywright_proxy_refused",
            "Requests that were not forwarded, by status",
            ["code"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "keywright_proxy_first_byte_seconds",
            "Time from a request to the headers of its response",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.repeated = Counter(
            "keywright_proxy_repeated",
            "Requests sent again with a newer key after 401 or 403",
            registry=self.registry,
        )
        self.open = Gauge(
            "keywright_proxy_open_requests", "Requests in progress", registry=self.registry
        )

    def forwarded(self, status: int, *, seconds: float) -> None:
        """Count a response of the upstream."""
        self._by_class.get(status // 100, self._other).inc()
        self._latency.observe(seconds)

    def refused(self, status: int) -> None:
        """Count a request that was answered by the proxy itself."""
        self._refused.labels(str(status)).inc()
