"""Simulate the renewals of many grants with the operator's own schedule.

The rates are those of the schedule. The costs of one renewal are measured (docs/operations.md,
docs/performance.md), on one machine: other machines differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from keywright.planning.renewal import hash_fraction, margin, renew_at

LEADER_SECONDS: Final = 0.0036
API_SERVER_SECONDS: Final = 0.007
ETCD_SECONDS: Final = 0.0012
STANDBY_SECONDS: Final = 0.0016
"""Processor time of one renewal (make soak, 2026-11-27)."""
RENEWALS_PER_SECOND: Final = 150.0
"""What one leader renews beside the control plane on two cores; 200 to 350 in a backlog."""
LEADER_ALONE_PER_SECOND: Final = 1 / LEADER_SECONDS
"""One process uses one core: the limit if the API server is on other machines."""
OBJECT_BYTES: Final = 7_700
"""A grant (2.0 kB) and a Secret with one Bedrock key (5.7 kB), as JSON."""
MEMORY_BYTES: Final = 3_800
BASE_MEMORY_BYTES: Final = 84_000_000
COMPACTION_SECONDS: Final = 300
"""How long etcd keeps old revisions: the API server's default."""
_SAMPLE: Final = 4_000
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Load:
    """Grants of one kind; those of one source share its session."""

    grants: int
    lifetime: timedelta
    per_source: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a load needs on average, and in the worst case, in which all keys have the same age."""

    renewals: float
    sts_calls: float
    api_writes: float
    cores: float
    memory: float
    etcd_bytes: float
    worst_peak: float
    worst_sts_peak: float
    worst_lateness: float
    margin: float

    @property
    def is_late(self) -> bool:
        """Whether keys can expire before one leader has renewed all of them."""
        return self.worst_lateness > self.margin or self.renewals > RENEWALS_PER_SECOND


def cost_of(load: Load) -> Cost:
    """Compute the cost of a load for one leader."""
    unsorted = list(_ages(load))
    ages = sorted(unsorted)
    renewals = load.grants / (sum(ages) / len(ages))
    sources = max(1.0, load.grants / load.per_source)
    scale = load.grants / len(ages)
    # A source opens its next session with the first of its keys, once for all of them.
    groups = range(0, len(unsorted), load.per_source)
    first = sorted(min(unsorted[at : at + load.per_source]) for at in groups)
    return Cost(
        renewals=renewals,
        sts_calls=renewals * sources / load.grants,
        api_writes=2 * renewals,
        cores=renewals * (LEADER_SECONDS + API_SERVER_SECONDS + ETCD_SECONDS + STANDBY_SECONDS),
        memory=BASE_MEMORY_BYTES + load.grants * MEMORY_BYTES,
        etcd_bytes=load.grants * OBJECT_BYTES + renewals * COMPACTION_SECONDS * OBJECT_BYTES,
        worst_peak=scale * _peak(ages),
        worst_sts_peak=sources / len(first) * _peak(first),
        worst_lateness=_lateness(ages, scale=scale),
        margin=margin(lifetime=load.lifetime).total_seconds(),
    )


def _ages(load: Load) -> Iterator[float]:
    """The age in seconds at which each key of a sample is renewed."""
    margin_ = margin(lifetime=load.lifetime)
    for number in range(min(load.grants, _SAMPLE)):
        uid = f"grant-{number}"
        due = renew_at(issued_at=_START, expires_at=_START + load.lifetime, margin=margin_, uid=uid)
        # Whole seconds would put a sample into steps that the operator does not have.
        yield (due - _START).total_seconds() - hash_fraction(uid)


def _peak(ages: list[float]) -> float:
    """The largest number of due keys in one second, smoothed over a minute if there are few."""
    window = 60
    counts = Counter(int(age // window) for age in ages)
    return max(counts.values()) / min(window, max(1.0, ages[-1] - ages[0]))


def _lateness(ages: list[float], *, scale: float) -> float:
    """The delay of the last renewal, if all keys are issued at once and one leader renews them."""
    done = 0.0
    latest = 0.0
    for age in ages:
        done = max(done, age) + scale / RENEWALS_PER_SECOND
        latest = max(latest, done - age)
    return latest
