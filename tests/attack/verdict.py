"""The verdict on an attack: honest keys, the operator's health, and the attacker's gain."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.measures import Row
from testbed.readers.ledger import Entry, Name, expired, lateness
from tests.attack.endpoints import BEHAVIORS

LATER_SECONDS: Final = 2.0
LAG_SECONDS: Final = 0.25
MEMORY_BYTES: Final = 200 * 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """The operator at one moment; `live` is what /livez says, or why it says nothing."""

    live: str
    resident: int
    holder: str
    transitions: int


@dataclass(frozen=True, slots=True)
class Phase:
    """What was seen in a phase: the honest Secrets from the key that stood at its beginning."""

    entries: Mapping[Name, tuple[Entry, ...]]
    samples: Sequence[Sample]
    lag_seconds: float
    ended: float

    def worst(self) -> float:
        """By how many seconds the latest renewal came after it was due."""
        found = itertools.chain.from_iterable(lateness(kept) for kept in self.entries.values())
        return max(found, default=0.0)

    def renewals(self) -> int:
        """How many keys were renewed."""
        return sum(len(kept) - 1 for kept in self.entries.values())


@dataclass(frozen=True, slots=True)
class Attacker:
    """What the hostile processes report."""

    requests: Mapping[str, int]
    external_ids: Sequence[str]
    accepted: int


def rows(quiet: Phase, attacked: Phase, *, attacker: Attacker, keys: int) -> list[Row]:
    """The lines of the report; each goal is one of the issue's."""
    late = [
        line
        for phase in (quiet, attacked)
        for kept in phase.entries.values()
        for line in expired(kept, until=phase.ended)
    ]
    dead = [sample.live for sample in attacked.samples if sample.live != "ok"]
    holders = {(sample.holder, sample.transitions) for sample in attacked.samples}
    memory = max(sample.resident for sample in attacked.samples)
    silent = sorted(name for name in BEHAVIORS if not attacker.requests.get(name))
    added = attacked.worst() - quiet.worst()
    return [
        Row("honest keys", f"{keys}, renewed {quiet.renewals()} and {attacked.renewals()} times"),
        Row(
            "hostile objects let in, and requests of them",
            f"{attacker.accepted}; {sum(attacker.requests.values())}",
        ),
        Row(
            "hostile endpoints that were never asked",
            ", ".join(silent) or "none",
            "none: the attack took place",
            not silent,
        ),
        Row("honest keys read after their end", str(len(late)), "none", not late),
        Row(
            "latest renewal, quiet and attacked",
            f"{quiet.worst():.2f} s and {attacked.worst():.2f} s",
            f"at most {LATER_SECONDS:.0f} s more",
            added <= LATER_SECONDS,
        ),
        Row(
            "event loop lag, p99",
            f"{attacked.lag_seconds * 1000:.0f} ms (quiet: {quiet.lag_seconds * 1000:.0f} ms)",
            f"under {LAG_SECONDS * 1000:.0f} ms",
            attacked.lag_seconds <= LAG_SECONDS,
        ),
        Row(
            "operator memory",
            f"{memory / 2**20:.0f} MB",
            f"under {MEMORY_BYTES / 2**20:.0f} MB",
            memory < MEMORY_BYTES,
        ),
        Row("holders of the Lease", str(len(holders)), "one", len(holders) == 1),
        Row(
            "/livez",
            f"{len(dead)} of {len(attacked.samples)} not ok {dead[:1] or ''}",
            "always ok",
            not dead,
        ),
        Row(
            "values of other teams' Secrets that arrived",
            str(len(attacker.external_ids)),
            "none",
            not attacker.external_ids,
        ),
    ]
