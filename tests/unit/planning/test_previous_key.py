"""Which old key a Secret that is written again contains as the previous one."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.sensitive import Sensitive
from keywright.api.status import PendingCreate, RetiringKey
from keywright.planning.retirement import previous_key
from keywright.planning.state import SecretState
from keywright.secrets.ownership import Ownership
from keywright.secrets.previous import PreviousKey
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon, secret, state, status

OLD, NOW, NEW = "old", "now", "new"
PRESENT, RECORDED = Sensitive("value now"), Sensitive("value before")
HELD = secret(key_id=NOW, previous_id=OLD, previous_hash="0" * 32)
FIRST = secret(key_id=NOW)
RETIRES = status(retiring=(RetiringKey(key_id=OLD, retire_at=noon(hours=1)),))


def changed(**facts: Any) -> SecretState:
    """The Secret with key and previous key, with these facts changed."""
    return secret(key_id=NOW, previous_id=OLD, previous_hash="0" * 32, **facts)


@pytest.mark.parametrize(
    ("words", "held", "key_id", "expected"),
    [
        ("a first key", None, NEW, None),
        ("a renewal", FIRST, NEW, NOW),
        ("a renewal in an overlap: the latest of the old keys", HELD, NEW, NOW),
        ("the same key in another layout", HELD, NOW, OLD),
        ("the same key, and no previous one", FIRST, NOW, None),
        ("a key that the cloud has lost", changed(lost=True), NEW, OLD),
        ("a key that has expired", changed(expires_at=NOON), NEW, OLD),
        ("a key without a known ID", secret(key_id=None), NEW, None),
        ("a Secret of another grant", secret(ownership=Ownership.OWNED_BY_OTHER), NEW, None),
        ("the previous key is in use again", HELD, OLD, NOW),
        ("a kind without IDs", FIRST, None, None),
    ],
)
def test_the_previous_key_is_the_last_one_that_still_works(
    words: str, held: SecretState | None, key_id: str | None, expected: str | None
) -> None:
    """Of the key that is replaced, or the one that the Secret already had."""
    found = previous_key(
        state(secret=held, status=RETIRES),
        key_id=key_id,
        present=PRESENT,
        recorded=RECORDED,
        now=NOON,
    )
    values = {NOW: PRESENT, OLD: RECORDED}
    assert found == (None if expected is None else PreviousKey(expected, values[expected])), words


@pytest.mark.parametrize(
    ("words", "known", "present", "recorded"),
    [
        ("neither value can be read back", state(secret=HELD, status=RETIRES), None, None),
        ("the older key is retired", state(secret=HELD), None, RECORDED),
        (
            "a key that the listing before the create lacks",
            state(secret=FIRST, status=status(pending=PendingCreate(baseline=("other",)))),
            PRESENT,
            None,
        ),
    ],
)
def test_no_value_is_made_up(
    words: str, known: Any, present: Sensitive | None, recorded: Sensitive | None
) -> None:
    """What is not in the Secret, or does not work any more, is left out."""
    found = previous_key(known, key_id=NEW, present=present, recorded=recorded, now=NOON)
    assert found is None, words
