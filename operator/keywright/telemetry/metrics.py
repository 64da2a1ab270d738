"""Metrics for Prometheus. Those of grants are read from the live objects at each scrape, so that
no series outlives its object.
"""  # noqa: D205  one sentence that exceeds a line

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from keywright.api.errors import Failure
from keywright.version import product_version

_Result = TypeVar("_Result")
_EXPIRES: Final = "keywright_grant_expiration_timestamp_seconds"
_RENEWS: Final = "keywright_grant_renewal_timestamp_seconds"
_READY: Final = "keywright_grant_ready"
_SOURCE_EXPIRES: Final = "keywright_source_expiration_timestamp_seconds"
_SOURCE_FAILING: Final = "keywright_source_verification_failing"
_SOURCE_READY: Final = "keywright_source_ready"
_NUMBER: Final[Callable[[float], str]] = floatToGoString
_STATUSES: Final = frozenset({200, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504})
_LATENESS_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_MARGIN_BUCKETS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GrantSample(NamedTuple):
    """What a scrape shows of one grant; times in seconds since 1970."""

    namespace: str
    name: str
    ready: bool
    expires_at: float | None
    renews_at: float | None


class SourceSample(NamedTuple):
    """What a scrape shows of one source; `failing`: its last verification failed."""

    namespace: str
    name: str
    ready: bool
    failing: bool
    expires_at: float | None


class Metrics:
    """The registry of one operator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._mints = Counter(
            "keywright_mint",
            "Keys asked for, by kind, result (success or the class of failure) and cause.",
            ("kind", "result", "reason"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "keywright_mint_duration_seconds",
            "How long minting a key took, calls to the cloud included.",
            ("kind",),
            registry=self.registry,
        )

        self._restarts = Counter(
            "keywright_rollout_restarts",
            "Workloads restarted because the data of their Secret changed, by kind and result.",
            ("kind", "result"),
            registry=self.registry,
        )

        self._task_restarts = Counter(
            "keywright_task_restarts",
            "Long-lived tasks of the process that ended unexpectedly and were started again.",
            ("task",),
            registry=self.registry,
        )
        self._loop_lag = Histogram(
            "keywright_event_loop_lag_seconds",
            "How late the event loop took its turns, sampled ten times a second.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._longest_lag = Gauge(
            "keywright_event_loop_lag_max_seconds",
            "The longest lag of the event loop since the start.",
            registry=self.registry,
        )
        self._lateness = Histogram(
            "keywright_renewal_lateness_seconds",
            "How long after its planned time a key was renewed, in seconds; 0 if before it.",
            buckets=_LATENESS_BUCKETS,
            registry=self.registry,
        )
        self._margin_used = Histogram(
            "keywright_renewal_margin_used_ratio",
            "The part of a key's margin, from its planned renewal to its expiry, that had passed.",
            buckets=_MARGIN_BUCKETS,
            registry=self.registry,
        )
        self._cloud_requests = Counter(
            "keywright_cloud_requests",
            "Requests to clouds, by operation and HTTP status (none: no response).",
            ("cloud", "operation", "code"),
            registry=self.registry,
        )
        self._cloud_seconds = Histogram(
            "keywright_cloud_request_duration_seconds",
            "Duration of requests to clouds, by operation.",
            ("cloud", "operation"),
            registry=self.registry,
        )
        self._longest = 0.0
        self._grants: Callable[[], Iterable[GrantSample]] = tuple
        self._sources: Callable[[], Iterable[SourceSample]] = tuple
        # Exposed after the grants, which have no registry.
        self._live = CollectorRegistry()

    def task_restarted(self, task: str) -> None:
        """A long-lived task ended unexpectedly, and was restarted."""
        self._task_restarts.labels(task).inc()

    def loop_lag(self, seconds: float) -> None:
        """Record the lag of one iteration of the event loop."""
        self._loop_lag.observe(seconds)
        if seconds > self._longest:
            self._longest = seconds
            self._longest_lag.set(seconds)

    def renewed(self, *, late: float, margin: float | None) -> None:
        """Record a renewal `late` seconds after its planned time, `margin` before the expiry."""
        self._lateness.observe(max(0.0, late))
        if margin is not None and margin > 0:
            self._margin_used.observe(max(0.0, late) / margin)

    def cloud_request(
        self, cloud: str, operation: str, *, status: int | None, seconds: float
    ) -> None:
        """Record one request to a cloud; thread-safe."""
        self._cloud_requests.labels(cloud, operation, _code(status)).inc()
        self._cloud_seconds.labels(cloud, operation).observe(seconds)

    def restart(self, kind: str, *, succeeded: bool) -> None:
        """Record that a workload was restarted, or that the API server refused it."""
        self._restarts.labels(kind, "success" if succeeded else "refused").inc()

    def watch(
        self,
        *,
        grants: Callable[[], Iterable[GrantSample]],
        sources: Callable[[], Iterable[SourceSample]] = tuple,
        queue_depth: Callable[[], int],
        leads: Callable[[], bool],
        invalid: Callable[[], Mapping[str, int]] = dict,
        orphans: Callable[[], Mapping[str, int]] = dict,
        clock_skews: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Set the callbacks that are read on each scrape."""
        self._grants = grants
        self._sources = sources
        self._live.register(
            _Live(
                queue_depth=queue_depth,
                leads=leads,
                invalid=invalid,
                orphans=orphans,
                clock_skews=clock_skews,
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
            self._mints.labels(kind, failure.kind.value, reason).inc()
            raise
        self._mints.labels(kind, "success", reason).inc()
        self._seconds.labels(kind).observe(time.perf_counter() - start)
        return result

    def text(self) -> bytes:
        """The metrics in the exposition format."""
        return b"".join(
            (
                generate_latest(self.registry),
                _grants_text(self._grants()),
                _sources_text(self._sources()),
                generate_latest(self._live),
            )
        )


def _grants_text(samples: Iterable[GrantSample]) -> bytes:
    """The series of the grants, in the format of `generate_latest`.

    The library takes 8 us for each sample, three of which each grant has: a quarter of a second for
    10,000 grants, while the event loop competes for the interpreter.
    """
    expires, renews, ready = [], [], []
    for sample in samples:
        labels = f'{{name="{_escaped(sample.name)}",namespace="{_escaped(sample.namespace)}"}}'
        ready.append(f"{_READY}{labels} {'1.0' if sample.ready else '0.0'}\n")
        if sample.expires_at is not None:
            expires.append(f"{_EXPIRES}{labels} {_NUMBER(sample.expires_at)}\n")
        if sample.renews_at is not None:
            renews.append(f"{_RENEWS}{labels} {_NUMBER(sample.renews_at)}\n")
    return "".join(
        (
            *(f"# HELP {_EXPIRES} When the key ends.\n# TYPE {_EXPIRES} gauge\n", *expires),
            *(f"# HELP {_RENEWS} When it is renewed.\n# TYPE {_RENEWS} gauge\n", *renews),
            *(f"# HELP {_READY} 1 where the grant is Ready.\n# TYPE {_READY} gauge\n", *ready),
        )
    ).encode()


def _code(status: int | None) -> str:
    """The label for an HTTP status: an endpoint of a tenant's choice must not create series."""
    if status is None:
        return "none"
    return str(status) if status in _STATUSES else f"{min(max(status // 100, 0), 6)}xx"


def _sources_text(samples: Iterable[SourceSample]) -> bytes:
    """The series of the sources, in the same way."""
    expires, failing, ready = [], [], []
    for sample in samples:
        labels = f'{{name="{_escaped(sample.name)}",namespace="{_escaped(sample.namespace)}"}}'
        ready.append(f"{_SOURCE_READY}{labels} {'1.0' if sample.ready else '0.0'}\n")
        failing.append(f"{_SOURCE_FAILING}{labels} {'1.0' if sample.failing else '0.0'}\n")
        if sample.expires_at is not None:
            expires.append(f"{_SOURCE_EXPIRES}{labels} {_NUMBER(sample.expires_at)}\n")
    parts = (
        (_SOURCE_EXPIRES, "When the session of the source expires.", expires),
        (_SOURCE_FAILING, "1 where the last verification of the source failed.", failing),
        (_SOURCE_READY, "1 where the source is Ready.", ready),
    )
    return "".join(
        f"# HELP {name} {text}\n# TYPE {name} gauge\n{''.join(lines)}"
        for name, text, lines in parts
    ).encode()


def _escaped(label: str) -> str:
    # Names in Kubernetes need no escaping.
    if "\\" in label or '"' in label or "\n" in label:
        return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return label


class _Live(Collector):
    def __init__(
        self,
        *,
        queue_depth: Callable[[], int],
        leads: Callable[[], bool],
        invalid: Callable[[], Mapping[str, int]],
        orphans: Callable[[], Mapping[str, int]],
        clock_skews: Callable[[], Mapping[str, float]],
    ) -> None:
        self._clock_skews = clock_skews
        self._invalid = invalid
        self._orphans = orphans
        self._queue_depth = queue_depth
        self._leads = leads

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "keywright_queue_depth", "Grants that are due.", value=self._queue_depth()
        )
        yield GaugeMetricFamily(
            "keywright_leader", "1 where this replica works.", value=float(self._leads())
        )
        invalid = GaugeMetricFamily(
            "keywright_invalid_objects",
            "Objects that cannot be read, and are ignored until they are edited.",
            labels=("kind",),
        )
        for kind, number in self._invalid().items():
            invalid.add_metric((kind,), number)
        yield invalid
        orphaned = GaugeMetricFamily(
            "keywright_orphaned_credentials",
            "Keys that were left in a cloud as they could not be revoked, and are still there.",
            labels=("kind",),
        )
        for kind, number in self._orphans().items():
            orphaned.add_metric((kind,), number)
        yield orphaned
        skewed = GaugeMetricFamily(
            "keywright_clock_skew_seconds",
            "Seconds by which the operator's clock is ahead of that of a cloud's own hosts.",
            labels=("provider",),
        )
        for provider, seconds in self._clock_skews().items():
            skewed.add_metric((provider,), seconds)
        yield skewed
        build = GaugeMetricFamily("keywright_build_info", "The version.", labels=("version",))
        build.add_metric((product_version(),), 1)
        yield build
