"""What the Date of a response shows of this machine's clock, whatever its sender."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from keywright.clouds.clock_skew import ClockSkews, skew_of_answer
from keywright.planning.sources import is_skewed
from tests.unit.api.samples import source
from tests.unit.fakes.clock import NOON, FakeClock

SOURCE = source()


def dated(moment: datetime) -> dict[str, str]:
    """The headers of an answer that was dated then, by a clock that cuts to whole seconds."""
    return {"date": format_datetime(moment.astimezone(UTC), usegmt=True)}


@pytest.mark.parametrize("took", [0.01, 0.9])
@pytest.mark.parametrize("part", [0, 0.3, 0.999])
@pytest.mark.parametrize(("seconds", "expected"), [(0, False), (59, False), (61, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_minute_is_the_limit(
    sign: int, seconds: int, *, expected: bool, part: float, took: float
) -> None:
    """59 seconds are none, 61 are, in both directions, wherever in the second it is asked."""
    received = NOON + timedelta(seconds=part)
    # Halfway between request and answer.
    answered = received - timedelta(seconds=took / 2)
    headers = dated(answered - sign * timedelta(seconds=seconds))
    found = skew_of_answer(headers, received=received, took=timedelta(seconds=took))
    assert found is not None
    assert is_skewed(found) is expected
    assert not seconds or (found > timedelta(0)) is (sign > 0)


def test_a_slow_answer_is_given_the_benefit_of_the_doubt() -> None:
    """It may have been dated at the beginning or at the end of the time that it took."""
    received = NOON + timedelta(seconds=80)
    found = skew_of_answer(dated(NOON), received=received, took=timedelta(seconds=80))
    assert found is not None
    assert not is_skewed(found)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"date": ""},
        {"date": "yesterday"},
        {"date": "Sunday, 06-Nov-94 08:49:37 GMT"},
        {"date": "Sun Nov  6 08:49:37 1994"},
        {"date": "Sun, 31 Feb 2026 08:49:37 GMT"},
        {"date": "Sun, 06 Nov 2026 99:49:37 GMT"},
        {"date": "Sun, 06 Nov 0001 08:49:37 GMT"},
        {"date": "Sun, 06 Nov 9999 08:49:37 GMT"},
        {"date": "Sun, 06 Nov 2026 08:49:37 +2400"},
        {"date": "Sun, 06 Nov 2026 08:49:37 GMT" + " " * 60_000},
        {"date": "9" * 60_000},
        {"date": "Sun, 06 Nov ٢٠٢٦ 08:49:37 GMT"},
    ],
    ids=lambda headers: str(headers)[:40],
)
def test_a_date_that_cannot_be_read_says_nothing(headers: dict[str, str]) -> None:
    """No Date raises, and none of another form than that which senders must use counts."""
    assert skew_of_answer(headers, received=NOON, took=timedelta(seconds=1)) is None


@pytest.mark.parametrize("age", ["1", "3600", "-1", "nonsense"])
def test_a_cached_answer_says_nothing(age: str) -> None:
    """A proxy that answers from its cache keeps the Date of the answer that it stored."""
    headers = {**dated(NOON - timedelta(hours=1)), "age": age}
    assert skew_of_answer(headers, received=NOON, took=timedelta(0)) is None


def test_only_hosts_of_the_vendor_count_for_the_metric() -> None:
    """What an endpoint of a tenant's choice says is the business of that source alone."""
    changed: list[tuple[str, str]] = []
    skews = ClockSkews(clock=FakeClock(), changed=changed.append)
    skews.note(dated(NOON - timedelta(hours=1)), took=0.0, source=SOURCE, by_vendor=False)
    assert skews.by_vendor() == {}
    seen = skews.of_source(SOURCE.uid)
    assert seen is not None
    assert is_skewed(seen.skew)
    assert skews.of_source("another") is None
    assert changed == [SOURCE.object_key]
    skews.note(dated(NOON), took=0.0, source=SOURCE, by_vendor=True)
    assert abs(skews.by_vendor()["AWS"]) <= 1
    assert changed == [SOURCE.object_key] * 2


def test_what_was_seen_before_the_clock_was_set_is_stale() -> None:
    """The metric has no value until the next answer."""
    skews = ClockSkews(clock=FakeClock())
    skews.note(dated(NOON), took=0.0, source=SOURCE, by_vendor=True)
    skews.clock_was_set()
    seen = skews.of_source(SOURCE.uid)
    assert seen is not None
    assert seen.stale
    assert skews.by_vendor() == {}
