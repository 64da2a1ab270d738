"""The evaluation of a soak: keys in time, none needless, renewals punctual, memory flat."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable

from benchmarks.measures import Row
from benchmarks.soak.course import Plan, Sample, Seen
from testbed.readers.ledger import Entry, expired, lateness, needless

__all__ = ["Row", "rows"]
_MEGABYTE = 2**20
_FLAT = 0.05


def rows(seen: Seen, *, plan: Plan) -> list[Row]:
    """The lines of the report."""
    kept = seen.entries.values()
    late = [line for entries in kept for line in expired(entries, until=seen.ended)]
    twice = [line for entries in kept for line in needless(entries)]
    renewals = sum(len(entries) - 1 for entries in kept)
    calm = list(_between_kills(seen, plan=plan))
    reported = sorted(entry.seen - before.renews for before, entry in calm)
    waited = sorted(entry.seen - before.begins for before, entry in calm)
    found = sorted(itertools.chain.from_iterable(lateness(entries) for entries in kept))
    return [
        Row("renewals", f"{renewals} of {len(seen.entries)} keys that live {plan.life_seconds} s"),
        Row("the leader was killed", f"{len(seen.kills)} times"),
        Row("expired keys that a reader could meet", str(len(late)), "none", not late),
        Row("keys minted before their time", str(len(twice)), "none", not twice),
        Row(
            "lateness, by renewAt, while a leader was there",
            f"p50 {_share(reported, 0.5):.2f} s, p99 {_share(reported, 0.99):.2f} s",
            f"p99 under {plan.punctual_seconds:.0f} s",
            _share(reported, 0.99) < plan.punctual_seconds,
        ),
        Row(
            "from the planned begin to the new key",
            f"p50 {_share(waited, 0.5):.2f} s, p99 {_share(waited, 0.99):.2f} s",
        ),
        Row(
            "lateness, takeovers counted in",
            f"p50 {_share(found, 0.5):.2f} s, p99 {_share(found, 0.99):.2f} s,"
            f" max {found[-1]:.2f} s",
        ),
        *_memory(seen.samples),
    ]


def _between_kills(seen: Seen, *, plan: Plan) -> Iterable[tuple[Entry, Entry]]:
    """The renewals that were due when no replica had just been killed: a key and the next one."""
    recovered = plan.lease_seconds * 2.0
    for entries in seen.entries.values():
        for before, entry in itertools.pairwise(entries):
            if not any(-1.0 <= before.begins - kill <= recovered for kill in seen.kills):
                yield before, entry


def _memory(samples: Iterable[Sample]) -> list[Row]:
    """The longest time that a replica led, its first third compared with its last."""
    terms: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.leads:
            terms.setdefault(sample.pid, []).append(sample)
    longest = max(terms.values(), key=len)
    third = max(1, len(longest) // 3)
    first, last = (
        statistics.mean(sample.resident for sample in part)
        for part in (longest[:third], longest[-third:])
    )
    grown = last / first - 1
    return [
        Row(
            f"memory of {longest[0].replica}, which led for {longest[-1].at - longest[0].at:.0f} s",
            f"{first / _MEGABYTE:.1f} MB, then {last / _MEGABYTE:.1f} MB ({grown:+.1%})",
            f"last third within {_FLAT:.0%} of the first",
            abs(grown) <= _FLAT,
        )
    ]


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
