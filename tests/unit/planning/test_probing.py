"""When a new key is tried again, and when no more."""

from datetime import datetime, timedelta

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import Probe
from keywright.planning.backoff import next_try, probe_timed_out
from tests.unit.fakes.clock import NOON

PROBE = Probe(timeout="60s")


def at(seconds: float) -> datetime:
    """So long after the first try."""
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("now", "expected"),
    [(0, 1), (3, 4), (8, 10), (40, 50), (45, 55), (58, 60), (59.5, 60), (60, None), (70, None)],
)
def test_tries_grow_apart_and_the_last_is_at_the_end(now: float, expected: float | None) -> None:
    """At least a second apart, at most ten; a key that works late is still found out in time."""
    found = next_try(since=NOON, probe=PROBE, now=at(now))
    assert found == (None if expected is None else at(expected))


def test_what_was_answered_is_told_at_the_end() -> None:
    """With the timeout, the field and the remedy."""
    answer = Failure(
        "Amazon Bedrock answered 403",
        kind=FailureClass.TRANSIENT,
        reason="ProbeRejected",
        field="spec.probe",
        remedy="Allow it.",
    )
    assert probe_timed_out(answer, probe=PROBE).message_with_remedy() == (
        "spec.probe: the new key did not work within 60s, and was not published:"
        " Amazon Bedrock answered 403. Allow it."
    )
