"""Whether all conditions hold: a pure function of the observations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from testbed.demo.observed import Grant, Observed
from testbed.demo.partner import has_used_both
from testbed.demo.tallies import PARTNER

# A key may be accepted for a moment after its expiry: a cloud has several clocks.
_GRACE_SECONDS = 5.0


class Outcome(Enum):
    """The state of the demo."""

    OPEN = "open"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome and its reason: what is still missing, or what failed."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """The conditions of `--once`, and the time limit since the examples were applied."""

    renewals: int
    first_key_seconds: float
    all_seconds: float
    clients: tuple[str, ...] = ()
    """Those that must have called, beside all that have been seen."""


def judge(seen: Observed, *, expected: Expectation) -> Verdict:
    """FAILED for a permanent failure or a timeout; HELD if nothing is missing."""
    wrong = next(_wrong(seen), None)
    if wrong is not None:
        return Verdict(Outcome.FAILED, wrong)
    late = seen.now - seen.applied_at
    missing = next(_missing(seen, expected=expected), None)
    if missing is None:
        return Verdict(Outcome.HELD, "")
    keyless = any(grant.first is None for grant in seen.grants)
    limit = expected.first_key_seconds if keyless else expected.all_seconds
    if late > limit:
        return Verdict(Outcome.FAILED, f"after {late:.0f} s {missing}")
    return Verdict(Outcome.OPEN, missing)


def _wrong(seen: Observed) -> Iterator[str]:
    if seen.trouble is not None:
        yield seen.trouble
    if not seen.grants:
        yield "the examples hold no ApiKeyGrant"
    for client in seen.clients:
        if client.failed:
            calls = client.failed + client.succeeded
            yield f"{client.failed} of {calls} calls of {client.name} failed: {client.error}"
    for grant in seen.grants:
        first, until = grant.first, grant.first_good_until
        if first is not None and until is not None and until > first.expires_at + _GRACE_SECONDS:
            late = until - first.expires_at
            yield f"the first key of {grant.name} was still taken {late:.0f} s after its end"


def _missing(seen: Observed, *, expected: Expectation) -> Iterator[str]:
    for grant in seen.grants:
        yield from _missing_of(grant, renewals=expected.renewals)
    if not seen.clients:
        yield "no client has called"
    for name in set(expected.clients) - {client.name for client in seen.clients}:
        yield f"{name} has not called"
    for client in seen.clients:
        if not client.succeeded:
            yield f"{client.name} has not called"
        if client.name == PARTNER and not has_used_both(client.answers):
            yield f"{client.name} has not accepted both of its keys yet"


def _missing_of(grant: Grant, *, renewals: int) -> Iterator[str]:
    if grant.first is None or grant.ready != "True":
        reported = f": {grant.reason}: {grant.message}" if grant.reason else ""
        yield f"{grant.name} is not Ready{reported}"
    if grant.renewals < renewals:
        yield f"{grant.name} was renewed {grant.renewals} of {renewals} times"
    if grant.first_refused_at is None:
        yield f"the first key of {grant.name} was not refused yet"
