"""Times that anybody may write are bounded where they are read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.durations import parse_duration
from keywright.api.times import EPOCH, LATEST, clamp_time, format_time, parse_time

_ANY_TIME = st.datetimes(
    timezones=st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
)
_LONGEST = timedelta(seconds=parse_duration("999999d" * 4))


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "9000-01-01T00:00:01Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "2026-11-22T12:00:00",
    ],
)
def test_a_time_out_of_bounds_is_refused(text: str) -> None:
    """By the one error that all readers expect; none of them overflows later on."""
    with pytest.raises(ValueError, match=r"between 1970 and 9000|no time zone"):
        parse_time(text)


@given(_ANY_TIME)
def test_every_time_is_read_within_bounds_or_refused(moment: datetime) -> None:
    """What is read can be moved by the longest duration in either direction, and written again."""
    clamped = clamp_time(moment)
    assert EPOCH <= clamped <= LATEST
    assert clamped - _LONGEST < clamped < clamped + _LONGEST
    try:
        read = parse_time(moment.isoformat())
    except ValueError:
        assert not EPOCH <= moment <= LATEST
        return
    assert read == moment == clamped
    assert parse_time(format_time(read)) == read.replace(microsecond=0)


@given(st.lists(st.sampled_from(("999999d", "1h", "0.5ms", "99999h")), min_size=1, max_size=4))
def test_every_duration_can_be_added_to_a_time(parts: list[str]) -> None:
    """The pattern allows ten thousand years in thirty-two characters."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert begin < begin + timedelta(seconds=parse_duration("".join(parts)))
