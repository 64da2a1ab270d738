"""Durations, times and secrets: the small values that everything else is made of."""

import copy
import logging
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.durations import format_duration, parse_duration, parse_percent
from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time, parse_time
from tests.unit.api.samples import grant


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("7d", 604_800),
        ("1d12h", 129_600),
        ("250ms", 0.25),
        ("1m500ms", 60.5),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    """Go's units and d for a day."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "-1h", "1w", "1 h", "h", "1h ", "1.2.3s", "1H", "1h\n"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(ValueError, match="write it like 1h30m"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=400 * 86_400))
def test_a_written_duration_is_read_back(seconds: int) -> None:
    """Writing and reading are inverse for whole seconds."""
    assert parse_duration(format_duration(seconds)) == seconds


def test_a_percentage_is_a_fraction() -> None:
    """From 1% to 99%, whole."""
    assert parse_percent("30%") == 0.3
    for text in ("0%", "100%", "30", "1.5%", "-5%"):
        with pytest.raises(ValueError, match="write it like 30%"):
            parse_percent(text)


def test_times_are_utc_and_cut_to_seconds() -> None:
    """An expiry is never written later than it is."""
    moment = datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2026-11-22T10:00:00Z"
    assert parse_time("2026-11-22T12:00:00+02:00") == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert parse_time("2026-11-22T10:00:00Z").tzinfo is UTC


def test_a_time_without_zone_is_refused() -> None:
    """Nothing is guessed about where a time is meant."""
    with pytest.raises(ValueError, match="no time zone"):
        parse_time("2026-11-22T10:00:00")


def test_a_secret_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """No way of printing shows the value; only reveal() does."""
    secret = Sensitive("planted")
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", secret, secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", repr({"a": [secret]})]
    assert not any("planted" in text for text in [*shown, caplog.text])
    assert secret.reveal() == "planted"


def test_a_secret_is_never_pickled_and_copies_are_itself() -> None:
    """It reaches no queue, cache or crash dump; copying a structure that has one works."""
    secret = Sensitive("planted")
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(secret)
    assert copy.deepcopy({"a": secret})["a"] is secret
    assert copy.copy(secret) is secret


def test_secrets_are_equal_by_value_and_never_to_text() -> None:
    """Comparing with a plain string is False, so that no code compares by accident."""
    assert Sensitive("a") == Sensitive("a")
    assert Sensitive("a") != Sensitive("b")
    assert Sensitive("a") != "a"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Sensitive("a"))


def test_a_kind_says_whether_it_needs_a_session() -> None:
    """The checks with the source ask the kind, and know none of them by name."""
    arn = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
    found = {
        "session": grant(bedrockShortTermKey=None, sessionCredentials={"duration": "1h"}).key,
        "limited": grant(bedrockShortTermKey={"policyArns": [arn]}).key,
        "plain": grant().key,
    }
    assert {name: (key.needs_session, key.session_options) for name, key in found.items()} == {
        "session": (True, ("duration",)),
        "limited": (True, ("policyArns",)),
        "plain": (False, ()),
    }
