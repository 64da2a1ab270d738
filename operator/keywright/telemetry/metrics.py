"""Metrics for Prometheus. Those of grants are read from the live objects at each scrape, so that
no series outlives its object.
"""  # noqa: D205  one sentence that exceeds a line

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest

from keywright.api.errors import Failure
from keywright.telemetry.api_requests import ApiRequestCounter
from keywright.telemetry.families import (
    CloudFamilies,
    KeyFamilies,
    ProcessFamilies,
    status_label,
)
from keywright.telemetry.live_series import Counts, LiveSeries, LiveValues
from keywright.telemetry.object_series import (
    GrantSample,
    SourceSample,
    grants_text,
    sources_text,
)

__all__ = ["GrantSample", "Metrics", "SourceSample"]
_Result = TypeVar("_Result")


class Metrics:
    """The registry of one operator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._keys = KeyFamilies.register(self.registry)
        self._process = ProcessFamilies.register(self.registry)
        self._clouds = CloudFamilies.register(self.registry)
        self._api = ApiRequestCounter(self.registry)
        self.api_request = self._api.count
        self._longest = 0.0
        self._grants: Callable[[], Iterable[GrantSample]] = tuple
        self._sources: Callable[[], Iterable[SourceSample]] = tuple
        # Exposed after the grants, which have no registry.
        self._live = CollectorRegistry()

    def task_restarted(self, task: str) -> None:
        """A long-lived task ended unexpectedly, and was restarted."""
        self._process.task_restarts.labels(task).inc()

    def loop_lag(self, seconds: float) -> None:
        """Record the lag of one iteration of the event loop."""
        self._process.loop_lag.observe(seconds)
        if seconds > self._longest:
            self._longest = seconds
            self._process.longest_lag.set(seconds)

    def renewed(self, *, late: float, margin: float | None) -> None:
        """Record a renewal `late` seconds after its planned time, `margin` before the expiry."""
        self._keys.lateness.observe(max(0.0, late))
        if margin is not None and margin > 0:
            self._keys.margin_used.observe(max(0.0, late) / margin)

    def cloud_request(
        self, cloud: str, operation: str, *, status: int | None, seconds: float
    ) -> None:
        """Record one request to a cloud; thread-safe."""
        self._clouds.requests.labels(cloud, operation, status_label(status)).inc()
        self._clouds.seconds.labels(cloud, operation).observe(seconds)

    def restart(self, kind: str, *, succeeded: bool) -> None:
        """Record that a workload was restarted, or that the API server refused it."""
        self._keys.restarts.labels(kind, "success" if succeeded else "refused").inc()

    def watch(
        self,
        *,
        grants: Callable[[], Iterable[GrantSample]],
        sources: Callable[[], Iterable[SourceSample]] = tuple,
        queue_depth: Callable[[], int],
        leads: Callable[[], bool],
        due_by_urgency: Counts = dict,
        deferred_statuses: Callable[[], int] = int,
        invalid: Counts = dict,
        orphans: Counts = dict,
        clock_skews: Counts = dict,
    ) -> None:
        """Set the callbacks that are read on each scrape."""
        self._grants = grants
        self._sources = sources
        self._live.register(
            LiveSeries(
                LiveValues(
                    queue_depth=queue_depth,
                    leads=leads,
                    due_by_urgency=due_by_urgency,
                    deferred_statuses=deferred_statuses,
                    invalid=invalid,
                    orphans=orphans,
                    clock_skews=clock_skews,
                )
            )
        )

    async def timed_mint(
        self, kind: str, reason: str, mint: Callable[[], Awaitable[_Result]]
    ) -> _Result:
        """Return the result of `mint`, counted and timed."""
        start = time.perf_counter()
        try:
            result = await mint()
        except Failure as failure:
            self._keys.mints.labels(kind, failure.kind.value, reason).inc()
            raise
        self._keys.mints.labels(kind, "success", reason).inc()
        self._keys.seconds.labels(kind).observe(time.perf_counter() - start)
        return result

    def text(self) -> bytes:
        """The metrics in the exposition format."""
        return b"".join(
            (
                generate_latest(self.registry),
                grants_text(self._grants()),
                sources_text(self._sources()),
                generate_latest(self._live),
            )
        )
