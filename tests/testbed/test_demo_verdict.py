"""When the demo has held, and what it says when it has not."""

from __future__ import annotations

import dataclasses

import pytest

from testbed.demo.observed import Observed
from testbed.demo.tallies import PARTNER
from testbed.demo.verdict import Expectation, Outcome, Verdict, judge
from testbed.readers import partner
from tests.testbed.demo_states import (
    CLIENT,
    DENIED,
    EMPTY,
    GOOD,
    GRANT,
    NOON,
    REFUSED,
    SILENT,
    key,
)

EXPECTED = Expectation(renewals=3, first_key_seconds=30, all_seconds=90)
RENEWED_ONCE = dataclasses.replace(GRANT, key=key(revision=2, issued_at=NOON + 9))
UNREFUSED = dataclasses.replace(GRANT, first_refused_at=None)
LATE = NOON + 91
ONE_KEY = dataclasses.replace(CLIENT, name=PARTNER, answers=frozenset({partner.ACCEPTED_CURRENT}))
TWO_KEYS = dataclasses.replace(ONE_KEY, answers=ONE_KEY.answers | {partner.ACCEPTED_PREVIOUS})


def _seen(**changes: object) -> Observed:
    return dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]  # a table of changes


def test_it_held_when_nothing_misses_and_nothing_failed() -> None:
    """Ready, renewed as often as asked, every call answered, the first key refused."""
    assert judge(GOOD, expected=EXPECTED).outcome is Outcome.HELD
    assert judge(_seen(clients=(CLIENT, TWO_KEYS)), expected=EXPECTED).outcome is Outcome.HELD


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (EMPTY, "chat/chat-key is not Ready"),
        (_seen(grants=(DENIED,)), "chat/chat-key is not Ready: Denied: AccessDenied"),
        (_seen(grants=(RENEWED_ONCE,)), "chat/chat-key was renewed 1 of 3 times"),
        (_seen(grants=(UNREFUSED,)), "the first key of chat/chat-key was not refused yet"),
        (_seen(grants=(GRANT, RENEWED_ONCE)), "renewed 1 of 3 times"),
        (_seen(clients=()), "no client has called"),
        (_seen(clients=(CLIENT, SILENT)), "boto3 converse has not called"),
        (_seen(clients=(CLIENT, ONE_KEY)), "partner with two keys has not accepted both"),
    ],
)
def test_what_misses_is_waited_for_until_time_is_over(seen: Observed, reason: str) -> None:
    """Then it is the reason of the failure."""
    verdict = judge(seen, expected=EXPECTED)
    assert verdict.outcome is Outcome.OPEN
    late = judge(dataclasses.replace(seen, now=LATE), expected=EXPECTED)
    assert late.outcome is Outcome.FAILED
    assert reason in verdict.reason
    assert reason in late.reason


def test_clients_that_never_start_are_waited_for() -> None:
    """The frozen application and the partner begin after the others."""
    expected = dataclasses.replace(EXPECTED, clients=(CLIENT.name, PARTNER))
    verdict = judge(GOOD, expected=expected)
    assert verdict == Verdict(Outcome.OPEN, f"{PARTNER} has not called")


def test_the_first_key_has_a_time_of_its_own() -> None:
    """Without a key after thirty seconds, the demo does not wait for renewals."""
    verdict = judge(dataclasses.replace(EMPTY, now=NOON + 31), expected=EXPECTED)
    assert verdict.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (_seen(trouble="the operator ended with 1"), "the operator ended with 1"),
        (
            _seen(clients=(CLIENT, REFUSED)),
            "2 of 42 calls of boto3 converse failed: 403 Bearer Token has expired",
        ),
        (
            _seen(grants=(dataclasses.replace(UNREFUSED, first_good_until=NOON + 21),)),
            "the first key of chat/chat-key was still taken 6 s after its end",
        ),
        (_seen(grants=()), "the examples hold no ApiKeyGrant"),
    ],
)
def test_what_cannot_be_mended_fails_at_once(seen: Observed, reason: str) -> None:
    """However much of the time is left."""
    verdict = judge(dataclasses.replace(seen, now=NOON), expected=EXPECTED)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason == reason
