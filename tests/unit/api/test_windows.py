"""Renewal windows on the clock of their time zone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.times import Window, time_zone, window_problems
from tests.unit.fakes.clock import NOON


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _window(schedule: str, duration: str = "1h", time_zone: str = "UTC") -> Window:
    return Window(schedule=schedule, duration=duration, time_zone=time_zone)


_BERLIN_NIGHT = _window("30 2 * * *", "1h", "Europe/Berlin")
_BERLIN_HOURLY = _window("0 * * * *", "10m", "Europe/Berlin")


@pytest.mark.parametrize(
    ("window", "moment", "opens"),
    [
        pytest.param(_window("0 2 * * *"), "2026-11-22T12:00", "2026-11-23T02:00", id="later"),
        pytest.param(_window("0 2 * * *"), "2026-11-22T02:00", "2026-11-22T02:00", id="opens now"),
        pytest.param(_window("0 2 * * *"), "2026-11-22T02:59", "2026-11-22T02:59", id="open"),
        pytest.param(_window("0 2 * * *"), "2026-11-22T03:00", "2026-11-23T02:00", id="closed"),
        pytest.param(
            _window("0 22 * * FRI", "8h"), "2026-11-28T05:59", "2026-11-28T05:59", id="past night"
        ),
        pytest.param(
            _window("*/5 * * * *", "10m"), "2026-11-22T12:07", "2026-11-22T12:07", id="never shut"
        ),
        pytest.param(
            _BERLIN_NIGHT, "2026-11-22T00:00", "2026-11-22T01:30", id="winter time: UTC+1"
        ),
        pytest.param(_BERLIN_NIGHT, "2026-07-22T00:00", "2026-07-22T00:30", id="summer: UTC+2"),
        pytest.param(
            _BERLIN_NIGHT, "2027-03-28T00:00", "2027-03-28T01:00", id="a time that is left out"
        ),
        pytest.param(
            _BERLIN_NIGHT, "2027-03-28T02:00", "2027-03-29T00:30", id="an hour after that one"
        ),
        pytest.param(
            _BERLIN_NIGHT, "2026-10-25T00:00", "2026-10-25T00:30", id="a time that comes twice"
        ),
        pytest.param(
            _BERLIN_NIGHT, "2026-10-25T01:45", "2026-10-26T01:30", id="it counts the first time"
        ),
        pytest.param(
            _BERLIN_HOURLY, "2026-10-25T01:20", "2026-10-25T02:00", id="each hour, also the extra"
        ),
        pytest.param(
            _BERLIN_HOURLY, "2026-10-25T00:20", "2026-10-25T01:00", id="the extra hour itself"
        ),
    ],
)
def test_a_window_opens_by_the_clock_of_its_zone(window: Window, moment: str, opens: str) -> None:
    """Open now, or when next, over midnight and both changes of the clocks."""
    assert window.open_from(_at(moment)) == _at(opens)


@given(
    st.sampled_from(["30 2 * * *", "0 1,2,3 * * SUN", "*/20 * * * *", "15 0 L * *"]),
    st.sampled_from(["10m", "1h", "26h"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
    st.integers(0, 2 * 366 * 1440),
)
def test_an_opening_is_never_in_the_past_and_is_open(
    schedule: str, duration: str, zone: str, minutes: int
) -> None:
    """Asked again at the opening, it is open; and no moment before it was."""
    window = _window(schedule, duration, zone)
    moment = NOON + timedelta(minutes=minutes)
    opens = window.open_from(moment)
    assert opens is not None
    assert opens >= moment
    assert window.open_from(opens) == opens
    if opens > moment:
        before = opens - timedelta(seconds=1)
        assert window.open_from(before) == opens


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (_window("0 25 * * *"), "spec.w.schedule: '0 25 * * *' is no cron schedule: bad hour"),
        (_window("0 0 2 * * *"), "spec.w.schedule: '0 0 2 * * *' is no cron schedule of five"),
        (_window("0 0 30 2 *"), "spec.w.schedule: '0 0 30 2 *' is no cron schedule: bad day"),
        (_window("0 0 */30 2 TUE#6"), "bad day-of-week"),
        (_window("0 2 * * *", time_zone="Mars/Base"), "spec.w.timeZone: 'Mars/Base' is no time"),
        (_window("0 2 * * *", time_zone="Europe"), "spec.w.timeZone: 'Europe' is no time zone"),
        (_window("0 2 * * *", time_zone="../passwd"), "'../passwd' is no time zone"),
        (_window("0 2 * * *", time_zone="a" * 300), "is no time zone"),
    ],
)
def test_a_wrong_window_is_told_with_field_and_cure(window: Window, says: str) -> None:
    """What CEL lets through: figures out of range, and names that no database has."""
    (problem,) = window_problems("spec.w", window)
    assert says in str(problem)
    assert "write it like" in str(problem) or "set UTC" in str(problem)


def test_a_right_window_has_no_problem() -> None:
    """Names of days and months, steps, lists, and the last day of a month."""
    for schedule in ("0 2 * * MON-FRI", "*/15 1,2 L JAN *", "30 22 1-7 * SUN"):
        assert list(window_problems("spec.w", _window(schedule))) == []


def test_utc_needs_no_database() -> None:
    """The default works in an image without time zones."""
    assert time_zone("UTC") is UTC
