"""The counters and histograms of an operator, by subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_STATUSES: Final = frozenset({200, 201, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504})
_LATENESS_BUCKETS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_MARGIN_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
_LAG_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class KeyFamilies:
    """Issuing and renewing keys, and the restarts that follow."""

    mints: Counter
    seconds: Histogram
    lateness: Histogram
    margin_used: Histogram
    restarts: Counter

    @classmethod
    def register(cls, registry: CollectorRegistry) -> KeyFamilies:
        """Create the metrics in a registry."""
        return cls(
            mints=Counter(
                "keywright_mint",
                "Requests to issue a key, by kind, result (success or the class of the failure) and"
                " reason.",
                ("kind", "result", "reason"),
                registry=registry,
            ),
            seconds=Histogram(
                "keywright_mint_duration_seconds",
                "Time taken to issue a key, including calls to the cloud.",
                ("kind",),
                registry=registry,
            ),
            lateness=Histogram(
                "keywright_renewal_lateness_seconds",
                "Seconds between the planned time of a renewal, or the end of a suspension, and the"
                " renewal.",
                buckets=_LATENESS_BUCKETS,
                registry=registry,
            ),
            margin_used=Histogram(
                "keywright_renewal_margin_used_ratio",
                "Elapsed ratio of the time between the planned renewal and the expiry of a key,"
                " when the key was renewed: 0 is on time, 1 is at the expiry.",
                buckets=_MARGIN_BUCKETS,
                registry=registry,
            ),
            restarts=Counter(
                "keywright_rollout_restarts",
                "Workloads restarted because the data of their Secret changed, by kind and result.",
                ("kind", "result"),
                registry=registry,
            ),
        )


@dataclass(frozen=True, slots=True)
class ProcessFamilies:
    """The event loop and the long-lived tasks of the process."""

    task_restarts: Counter
    loop_lag: Histogram
    longest_lag: Gauge

    @classmethod
    def register(cls, registry: CollectorRegistry) -> ProcessFamilies:
        """Create the metrics in a registry."""
        return cls(
            task_restarts=Counter(
                "keywright_task_restarts",
                "Long-running tasks of the operator that ended unexpectedly and were restarted.",
                ("task",),
                registry=registry,
            ),
            loop_lag=Histogram(
                "keywright_event_loop_lag_seconds",
                "Lag of the event loop, sampled ten times a second; above 250 ms, the log names the"
                " code that blocked the loop.",
                buckets=_LAG_BUCKETS,
                registry=registry,
            ),
            longest_lag=Gauge(
                "keywright_event_loop_lag_max_seconds",
                "The longest lag of the event loop since the start.",
                registry=registry,
            ),
        )


@dataclass(frozen=True, slots=True)
class CloudFamilies:
    """Requests to the clouds."""

    requests: Counter
    seconds: Histogram

    @classmethod
    def register(cls, registry: CollectorRegistry) -> CloudFamilies:
        """Create the metrics in a registry."""
        return cls(
            requests=Counter(
                "keywright_cloud_requests",
                "Requests to the clouds, by operation and HTTP status; a less common status is 4xx"
                " or 5xx, a missing response is none.",
                ("cloud", "operation", "code"),
                registry=registry,
            ),
            seconds=Histogram(
                "keywright_cloud_request_duration_seconds",
                "Duration of requests to the clouds, by operation.",
                ("cloud", "operation"),
                registry=registry,
            ),
        )


def status_label(status: int | None) -> str:
    """The label for an HTTP status: an endpoint of a tenant's choice must not create series."""
    if status is None:
        return "none"
    return str(status) if status in _STATUSES else f"{min(max(status // 100, 0), 6)}xx"
