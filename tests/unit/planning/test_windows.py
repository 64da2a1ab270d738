"""Renewals that wait for a window, and those that do not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.grant import ApiKeyGrant
from keywright.api.times import format_time
from keywright.planning.decide import decide
from keywright.planning.renewal import (
    planned_renewal,
    renewal_deadline_in_window,
    renewal_deadline_of,
    schedule_in_window,
    warning_for_readers,
)
from keywright.planning.requeue import requeue_at
from keywright.planning.state import GrantState
from keywright.planning.status import next_status
from keywright.planning.steps import NoOp, Wait
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon, secret, state, status, step_name
from tests.unit.replace import replace
from tests.unit.secrets.samples import EXPIRES, ISSUED, credential

H = timedelta(hours=1)
_AT_TWO = {"schedule": "0 14 * * *", "duration": "1h"}
_AT_FIVE = {"schedule": "0 17 * * *", "duration": "30m"}


def _windowed(*windows: dict[str, str]) -> ApiKeyGrant:
    return grant(renewal={"windows": list(windows or (_AT_TWO,))})


def _planned(*windows: dict[str, str], due: datetime, by: datetime | None) -> datetime:
    return schedule_in_window(_windowed(*windows), due=due, by=by, lifetime=12 * H)


def test_a_renewal_that_falls_into_a_window_stays() -> None:
    """Its own moment is as good as any other."""
    assert _planned(due=noon(hours=2.5), by=noon(hours=7)) == noon(hours=2.5)


def test_a_renewal_is_put_off_to_the_window_that_opens_first() -> None:
    """Of several windows, whatever their order; within the first half of it."""
    for windows in ((_AT_TWO, _AT_FIVE), (_AT_FIVE, _AT_TWO)):
        found = _planned(*windows, due=noon(hours=1), by=noon(hours=7))
        assert noon(hours=2) <= found <= noon(hours=2.5)
    found = _planned(_AT_TWO, _AT_FIVE, due=noon(hours=3), by=noon(hours=7))
    assert noon(hours=5) <= found <= noon(hours=5.25)


def test_grants_of_one_window_do_not_begin_at_once() -> None:
    """Each has its place in the first half of the window, and keeps it."""
    found = {
        schedule_in_window(
            _with_uid(f"{number}"), due=noon(hours=1), by=noon(hours=7), lifetime=12 * H
        )
        for number in range(50)
    }
    assert len(found) > 40
    assert max(found) - min(found) <= H / 2


def _with_uid(uid: str) -> ApiKeyGrant:
    return replace(_windowed(), uid=uid)


def test_no_window_in_time_is_overridden() -> None:
    """At the last safe moment, which is later than when it was due."""
    assert _planned(due=noon(hours=3), by=noon(hours=7)) == noon(hours=7)
    assert _planned(due=noon(hours=1), by=noon(hours=1.5)) == noon(hours=1.5)


def test_a_key_without_an_end_waits_for_its_window() -> None:
    """However long it takes: nothing ends meanwhile."""
    found = schedule_in_window(_windowed(), due=noon(hours=3), by=None, lifetime=24 * H)
    assert noon(hours=26) <= found <= noon(hours=26.5)


_AT_SEVEN = {"schedule": "0 19 * * *", "duration": "1h"}
_AT_NINE = {"schedule": "0 21 * * *", "duration": "1h"}


@pytest.mark.parametrize(
    ("windows", "earliest", "latest", "warning"),
    [
        ((_AT_SEVEN,), 19, 19.5, ""),
        ((_AT_NINE, _AT_SEVEN), 19, 19.5, ""),
        ((_AT_NINE,), 19.8, 20.8, "No window of spec.renewal.windows opens in time"),
    ],
    ids=["a window", "two windows", "too late"],
)
def test_a_new_key_is_planned_for_a_window_that_opens_in_time(
    windows: tuple[dict[str, str], ...], earliest: float, latest: float, warning: str
) -> None:
    """The key is due between 17 and 18 o'clock, ends at 22, and needs more than an hour before it.

    If no window opens in time, the warning says when the key is renewed nevertheless.
    """
    made, windowed = credential(), _windowed(*windows)
    midnight = ISSUED.replace(hour=0)
    planned = planned_renewal(windowed, made)
    assert planned is not None
    assert midnight + earliest * H <= planned <= midnight + latest * H
    by = renewal_deadline_of(windowed, issued_at=made.issued_at, expires_at=made.expires_at)
    assert by is not None
    assert midnight + 19.8 * H <= by <= midnight + 20.8 * H
    found = warning_for_readers(windowed, made, issued="")
    assert found.startswith(warning)
    assert bool(found) is bool(warning)
    assert (f"it is renewed at {format_time(planned)}" in found) is bool(warning)


@pytest.mark.parametrize(
    ("windowed", "issued_at", "expires_at"),
    [
        (grant(), ISSUED, EXPIRES),
        (_windowed(), None, EXPIRES),
        (_windowed(), ISSUED, None),
    ],
    ids=["no windows", "issued at an unknown time", "no end"],
)
def test_nothing_limits_how_long_such_a_renewal_waits(
    windowed: ApiKeyGrant, issued_at: datetime | None, expires_at: datetime | None
) -> None:
    """The deadline follows from windows, issue and end of the key."""
    assert renewal_deadline_of(windowed, issued_at=issued_at, expires_at=expires_at) is None


_SECONDS = st.integers(60, 40 * 86_400)


@given(
    life=_SECONDS,
    requested=st.floats(0.01, 0.9),
    readers=st.sampled_from([None, timedelta(minutes=20)]),
    uid=st.uuids().map(str),
)
def test_the_last_moment_leaves_a_safe_rest(
    life: int, requested: float, readers: timedelta | None, uid: str
) -> None:
    """Rule 2: two minutes at least, or a third of a shorter life; more for those who read again."""
    lifetime = timedelta(seconds=life)
    latest = renewal_deadline_in_window(
        issued_at=NOON,
        expires_at=NOON + lifetime,
        desired=lifetime * requested,
        readers=readers,
        uid=uid,
    )
    rest = NOON + lifetime - latest
    assert rest >= min(timedelta(minutes=2), lifetime / 3)
    if readers is not None:
        assert rest >= min(readers, lifetime * 2 / 3)


def _known(*, windows: tuple[dict[str, str], ...] = (_AT_TWO,), **changed: Any) -> GrantState:
    """A key that is due at noon, with a window at two, and until six at the latest."""
    found = secret(renew_at=NOON, renewal_deadline=noon(hours=6))
    return state(**{"grant": _windowed(*windows), "secret": found, **changed})


@pytest.mark.parametrize(
    ("known", "now", "step"),
    [
        pytest.param(_known(), noon(hours=1), "NoOp", id="shut"),
        pytest.param(_known(), noon(hours=2), "Issue Due", id="it opens"),
        pytest.param(_known(), noon(hours=3), "NoOp", id="missed"),
        pytest.param(_known(), noon(hours=6), "Issue Due", id="the last safe moment"),
        pytest.param(
            _known(secret=secret(renew_at=NOON, expires_at=None)),
            noon(hours=40),
            "NoOp",
            id="no end",
        ),
        pytest.param(
            _known(secret=secret(renew_at=NOON, expires_at=NOON)), NOON, "Issue Expired", id="ended"
        ),
        pytest.param(_known(secret=None), NOON, "Issue SecretMissing", id="no Secret"),
        pytest.param(
            _known(secret=secret(renew_at=NOON, matches_spec=False)),
            NOON,
            "Issue KeyChanged",
            id="new",
        ),
        pytest.param(
            _known(secret=secret(renew_at=NOON, altered=("data",))),
            NOON,
            "Rewrite Drift",
            id="repair",
        ),
    ],
)
def test_a_window_holds_up_what_is_due_and_nothing_else(
    known: GrantState, now: datetime, step: str
) -> None:
    """Repairs, changes and ends go ahead; a renewal waits until its window opens, or no longer."""
    assert step_name(decide(known, now=now)) == step


def test_a_renewal_that_is_asked_for_waits_for_no_window() -> None:
    """A renewal is requested now."""
    wanted = replace(_windowed(), renew_requested_at="2026-11-22T13:00:00Z")
    assert step_name(decide(_known(grant=wanted), now=noon(hours=1))) == "Issue Requested"


def test_a_missed_window_moves_the_renewal_and_the_status_says_so() -> None:
    """The next look, and status.renewAt, are where the renewal will be."""
    known = _known(windows=(_AT_TWO, _AT_FIVE))
    now = noon(hours=3.5)
    step = decide(known, now=now)
    after = next_status(known, NoOp(), now=now)
    assert after.renew_at is not None
    assert noon(hours=5) <= after.renew_at <= noon(hours=5.25)
    assert requeue_at(known, step, now=now) == after.renew_at


def test_a_renewal_that_failed_until_the_window_shut_is_told_as_failing() -> None:
    """Nothing is written, RenewalFailing stays, and it goes on when the next one opens."""
    failed = status(failed_attempts=4, last_failure_time=noon(hours=2.9))
    known = _known(windows=(_AT_TWO, _AT_FIVE), status=failed)
    step = decide(known, now=noon(hours=3))
    assert isinstance(step, Wait)
    assert noon(hours=5) <= step.until <= noon(hours=5.25)
    assert step_name(decide(known, now=step.until)) == "Issue Due"
