"""When a key is renewed, and which session may sign it."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.planning.renewal import (
    BEGINS_WITHIN,
    begins_at,
    hash_fraction,
    is_fresh,
    margin,
    planned_renewal,
    renew_at,
    session_may_sign,
    warning_for_readers,
)
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.secrets.samples import ISSUED, credential

H = timedelta(hours=1)
M = timedelta(minutes=1)
_LIVES = st.integers(60, 14 * 86400).map(lambda seconds: timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("life", "share", "before", "expected"),
    [
        (12 * H, None, None, 4 * H),
        (12 * H, 0.5, None, 6 * H),
        (12 * H, None, 20 * M, 20 * M),
        (12 * H, None, timedelta(seconds=1), 2 * M),
        (12 * H, 0.001, None, 2 * M),
        (3 * M, None, timedelta(seconds=1), M),
        (12 * H, None, 24 * H, 10.8 * H - timedelta(seconds=2)),
        (10 * H, 0.99, None, 9 * H - timedelta(seconds=2)),
    ],
)
def test_the_margin_is_what_was_asked_within_reason(
    life: timedelta, share: float | None, before: timedelta | None, expected: timedelta
) -> None:
    """A third by default; at least two minutes, at most nine tenths of the lifetime."""
    found = margin(lifetime=life, share=share, before=before)
    assert abs(found - expected) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("life", "before", "expected"),
    [
        (12 * H, None, 4 * H),
        (12 * H, 5 * M, 20 * M),
        (H, None, 20 * M),
        (45 * M, None, 20 * M),
        (30 * M, None, 20 * M),
        (15 * M, None, 10 * M),
        (M / 2, None, M / 3),
    ],
)
def test_readers_that_read_again_get_their_margin(
    life: timedelta, before: timedelta | None, expected: timedelta
) -> None:
    """Twenty minutes where two thirds of the life are that long, whatever was asked."""
    found = margin(lifetime=life, before=before, readers=20 * M)
    assert abs(found - expected) < timedelta(milliseconds=1)


def test_a_session_without_an_end_is_always_young() -> None:
    """It may sign at any time."""
    assert is_fresh(issued_at=NOON, expires_at=None, now=NOON + 1000 * H)
    assert session_may_sign(
        session_issued_at=NOON, session_expires_at=None, key_ends_at=NOON, now=NOON + 1000 * H
    )


@given(
    _LIVES,
    st.none() | st.floats(0.01, 0.99),
    st.none() | _LIVES,
    st.uuids().map(str),
    st.integers(0, 999_999),
)
def test_a_renewal_is_due_within_the_life(
    life: timedelta, share: float | None, before: timedelta | None, uid: str, micro: int
) -> None:
    """Rule 2: never before issue, never later than the margin allows, moved less than a tenth."""
    issued = NOON.replace(microsecond=micro)
    kept = margin(lifetime=life, share=share, before=before)
    due = renew_at(issued_at=issued, expires_at=issued + life, margin=kept, uid=uid)
    latest = issued + life - kept
    assert issued < due <= latest + timedelta(microseconds=1)
    assert latest - due < life / 10 + timedelta(seconds=1)


@given(
    life=_LIVES.filter(lambda life: life > 2 * M),
    uid=st.uuids().map(str),
    micro=st.integers(0, 999_999),
)
def test_a_key_is_not_due_while_its_session_would_sign_it_again(
    life: timedelta, uid: str, micro: int
) -> None:
    """Whatever margin is asked for: a renewal brings another key, never the same one again."""
    issued = NOON + timedelta(microseconds=micro)
    due = renew_at(
        issued_at=issued,
        expires_at=issued + life,
        margin=margin(lifetime=life, before=life),
        uid=uid,
    )
    begins = begins_at(due, lifetime=life, uid=uid)
    assert not is_fresh(issued_at=issued, expires_at=issued + life, now=begins)


def test_ten_thousand_objects_spread_and_each_stays_in_its_place() -> None:
    """Rule 2: the jitter comes from the uid alone, fills its range evenly, and is repeatable."""
    life = 12 * H

    def due(number: int) -> datetime:
        uid = f"00000000-0000-4000-8000-{number:012d}"
        return renew_at(issued_at=NOON, expires_at=NOON + life, margin=4 * H, uid=uid)

    times = sorted(due(number) for number in range(10_000))
    assert times[0] < NOON + 8 * H - 0.079 * life
    assert times[-1] > NOON + 8 * H - 0.001 * life
    tenths = [0] * 10
    for time in times:
        tenths[min(9, int((NOON + 8 * H - time) / (0.08 * life) * 10))] += 1
    assert min(tenths) > 850
    assert due(7) == due(7)
    assert due(7).microsecond == 0


@given(life=_LIVES, uid=st.uuids().map(str))
def test_a_renewal_begins_within_the_second_before_it_is_due(life: timedelta, uid: str) -> None:
    """At the place that its jitter has, where the whole second of renewAt cannot tell it."""
    expires, kept = NOON + life, margin(lifetime=life)
    due = renew_at(issued_at=NOON, expires_at=expires, margin=kept, uid=uid)
    begins = begins_at(due, lifetime=life, uid=uid)
    assert due - BEGINS_WITHIN < begins <= due
    if kept.microseconds == life.microseconds == 0:
        exact = expires - kept - life * (0.08 * hash_fraction(uid))
        assert begins in (exact, exact + BEGINS_WITHIN)


def test_a_hundred_keys_of_one_second_begin_one_after_the_other() -> None:
    """No tenth of the second has a third of them."""
    life = timedelta(seconds=1250)  # whose jitter is a hundred seconds
    begins = [begins_at(NOON, lifetime=life, uid=f"uid-{number}") for number in range(100)]
    tenths = Counter(int((NOON - moment).total_seconds() * 10) for moment in begins)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) < 33


_LONG_TERM: dict[str, Any] = {
    "bedrockShortTermKey": None,
    "bedrockLongTermKey": {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"},
}


@pytest.mark.parametrize(
    ("spec", "life", "latest", "most"),
    [
        ({}, 12 * H, 8 * H, 0.96 * H),
        ({"renewal": {"before": "1h"}}, 12 * H, 11 * H, 0.96 * H),
        ({"renewal": {"before": "50%"}}, 12 * H, 6 * H, 0.96 * H),
        (_LONG_TERM, None, 168 * H, 13.44 * H),
        (_LONG_TERM, 2400 * H, 168 * H, 13.44 * H),
        (_LONG_TERM, 24 * H, 16 * H, 1.92 * H),
    ],
    ids=["default", "before", "percent", "rotation", "rotation, long life", "rotation, short life"],
)
def test_a_key_is_renewed_before_its_end_or_by_its_rotation(
    spec: dict[str, Any], life: timedelta | None, latest: timedelta, most: timedelta
) -> None:
    """The earlier of both, moved by less than a tenth."""
    made = credential(expires_at=None if life is None else ISSUED + life)
    planned = planned_renewal(grant(**spec), made)
    assert planned is not None
    assert latest - most - timedelta(seconds=1) < planned - ISSUED <= latest


def test_a_key_without_end_and_rotation_is_never_renewed() -> None:
    """An imported value, for example."""
    assert planned_renewal(grant(), credential(expires_at=None)) is None


_PROCESS: dict[str, Any] = {
    "bedrockShortTermKey": None,
    "sessionCredentials": {},
    "secret": {"formats": ["AwsCredentialProcess"]},
}


@pytest.mark.parametrize(
    ("spec", "life", "words"),
    [
        ({}, 15 * M, ["The role is short."]),
        (_PROCESS, 12 * H, ["The role is short."]),
        (_PROCESS, 15 * M, ["The role is short. SDKs read", "leaves them 10m"]),
        (_PROCESS | {"renewal": {"before": "14m"}}, 25 * M, ["a life of 25m leaves them 16m40s"]),
        (_PROCESS, None, ["The role is short."]),
    ],
)
def test_clients_are_warned_of_a_short_life(
    spec: dict[str, Any], life: timedelta | None, words: list[str]
) -> None:
    """After the warning of the issuer: how much time its margin leaves them."""
    made = credential(expires_at=None if life is None else ISSUED + life)
    found = warning_for_readers(grant(**spec), made, issued="The role is short.")
    assert [each for each in words if each not in found] == []
    assert ("SDKs read" in found) is ("leaves them" in words[-1])


@given(st.text())
def test_a_position_is_a_share(uid: str) -> None:
    """From 0 to 1, the same for the same text."""
    assert 0 <= hash_fraction(uid) < 1
    assert hash_fraction(uid) == hash_fraction(uid)


@pytest.mark.parametrize(
    ("age", "key_life", "expected"),
    [
        (0 * M, 12 * H, True),
        (6 * M, 12 * H, True),
        (7 * M, 12 * H, False),
        (30 * M, 30 * M, True),
        (30 * M, 31 * M, False),
        (60 * M, M, False),
        (90 * M, M, False),
    ],
)
def test_only_a_young_session_signs_a_key_that_dies_with_it(
    age: timedelta, key_life: timedelta, *, expected: bool
) -> None:
    """Rule 1: keys are not born old; one that ends before its session may be signed at any time."""
    now = NOON + age
    assert (
        session_may_sign(
            session_issued_at=NOON,
            session_expires_at=NOON + H,
            key_ends_at=now + key_life,
            now=now,
        )
        is expected
    )


@given(_LIVES, st.uuids().map(str))
def test_grants_of_one_session_renew_from_the_same_new_one(life: timedelta, uid: str) -> None:
    """The jitter is smaller than the time in which a shared session may sign."""
    latest = renew_at(issued_at=NOON, expires_at=NOON + life, margin=life / 3, uid=uid)
    no_jitter = NOON + life - life / 3
    assert is_fresh(issued_at=NOON, expires_at=NOON + life, now=NOON + (no_jitter - latest) * 0.9)
