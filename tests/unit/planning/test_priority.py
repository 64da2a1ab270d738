"""Whose turn it is."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.planning.priority import Priority, Urgency, priority
from tests.unit.planning.samples import noon


@pytest.mark.parametrize(
    ("expires_at", "renew_at", "failing", "turn"),
    [
        pytest.param(noon(hours=-1), noon(hours=-5), False, Urgency.ENDED, id="ended"),
        pytest.param(noon(), noon(hours=-5), True, Urgency.ENDED, id="ended, and tried before"),
        pytest.param(noon(hours=1), noon(), False, Urgency.ENDING, id="due"),
        pytest.param(noon(hours=1), noon(hours=-1), True, Urgency.ENDING, id="due, tried before"),
        pytest.param(None, noon(), False, Urgency.ENDING, id="to be rotated"),
        pytest.param(None, None, False, Urgency.NEW, id="no key yet"),
        pytest.param(noon(hours=8), noon(hours=4), False, Urgency.NEW, id="edited"),
        pytest.param(None, None, True, Urgency.RETRY, id="no key yet, tried before"),
        pytest.param(noon(hours=8), noon(hours=4), True, Urgency.RETRY, id="edited, tried before"),
    ],
)
def test_the_key_in_hand_decides(
    expires_at: datetime | None, renew_at: datetime | None, *, failing: bool, turn: Urgency
) -> None:
    """A reader in danger goes first, however often it was tried; else who was tried goes last."""
    found = priority(expires_at=expires_at, renew_at=renew_at, failing=failing, now=noon())
    assert found[0] is turn


def test_the_soonest_end_goes_first() -> None:
    """Among those that ended, and among those due at once; a mere rotation comes after them."""
    ends = [noon(hours=-2), noon(hours=-1), noon(minutes=5), noon(hours=5), None]
    places = [
        priority(expires_at=end, renew_at=noon(hours=-3), failing=False, now=noon()) for end in ends
    ]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_of_equal_lives_the_first_that_fell_due_goes_first() -> None:
    """Else those that are due would overtake each other, and one of them come late."""
    assert _due(minutes=3, ends_after=120) < _due(minutes=2, ends_after=119)


def test_a_short_margin_does_not_wait_for_a_long_one() -> None:
    """An hour's key that fell due just now goes before a day's that did so minutes ago."""
    assert _due(minutes=1, ends_after=19) < _due(minutes=20, ends_after=460)


def test_a_renewal_is_due_from_its_begin() -> None:
    """Which is within the second before the reported time."""
    found = priority(expires_at=noon(hours=1), renew_at=noon(seconds=1), failing=False, now=noon())
    assert found[0] is Urgency.ENDING


def _due(*, minutes: float, ends_after: float) -> Priority:
    """Of a key that fell due so many minutes ago, and ends after so many."""
    return priority(
        expires_at=noon(minutes=ends_after),
        renew_at=noon(minutes=-minutes),
        failing=False,
        now=noon(),
    )


_ANY_TIME = st.none() | st.datetimes(timezones=st.just(UTC))


@given(st.lists(st.tuples(_ANY_TIME, _ANY_TIME, st.booleans()), max_size=8), st.data())
def test_any_times_have_an_order(
    keys: list[tuple[datetime | None, datetime | None, bool]], data: st.DataObject
) -> None:
    """Whatever annotations say, no comparison fails and every two places can be compared."""
    now = data.draw(st.datetimes(timezones=st.just(UTC)))
    places = [
        priority(expires_at=end, renew_at=due, failing=failing, now=now)
        for end, due, failing in keys
    ]
    assert all(figure == figure for _, figure in places)  # noqa: PLR0124  no NaN among them
    ordered = sorted(places)
    assert all(first <= second for first, second in pairwise(ordered))
