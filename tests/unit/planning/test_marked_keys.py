"""The journal of keys that the cloud marks as the grant's own: an open intent is carried on."""

from datetime import timedelta
from typing import Any

import pytest

from keywright.api.status import PendingCreate, RetiringKey
from keywright.planning.decide import decide
from keywright.planning.retirement import strays_of_intent
from keywright.planning.state import CloudKey, GrantState
from keywright.planning.status import next_status
from keywright.planning.steps import (
    ClearPending,
    Issue,
    ListKeys,
    NoOp,
    Outcome,
    RecordIntent,
    Reject,
    Remove,
    Retire,
    Revoke,
    Step,
    Written,
)
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon, secret, state, status, step_name
from tests.unit.replace import replace

KIND = "apiGatewayKey"
A, B = "123456789012/us-west-2/aaa", "123456789012/us-west-2/bbb"
SERVED = secret(key_id=A, expires_at=None, renew_at=noon(days=1))
DUE = replace(SERVED, renew_at=NOON)
OPEN = PendingCreate(started_at=NOON - timedelta(hours=1), baseline=(A,))
FILE = {"csvFrom": {"secretKeyRef": {"name": "partners", "key": "keys.csv"}}}


def given(key: dict[str, Any] | None = None, **changed: Any) -> GrantState:
    """A grant whose key A is in its Secret."""
    requested = {"usagePlan": {"id": "abc123"}, **(key or {})}
    usual = {
        "grant": grant(bedrockShortTermKey=None, apiGatewayKey=requested),
        "status": managed_status(),
        "secret": SERVED,
        "has_finalizer": True,
    }
    return state(**usual | changed)


def managed_status(**changed: Any) -> Any:
    """The status of a grant whose key is A."""
    return status(**{"kind": KIND, "key_id": A, "expires_at": None} | changed)


def listed(*ids: str) -> tuple[CloudKey, ...]:
    """Keys as the cloud shows them, long after any intent."""
    return tuple(CloudKey(key_id, created_at=noon(days=30), issued=True) for key_id in ids)


@pytest.mark.parametrize(
    ("changed", "step"),
    [
        # An intent of long ago, by whatever process: its create finds what it has made.
        ({"secret": DUE, "status": managed_status(pending=OPEN)}, "Issue Due"),
        ({"secret": DUE, "status": managed_status(pending=OPEN, revision=0)}, "Issue Due"),
        # The Secret holds its key already.
        (
            {"secret": replace(DUE, key_id=B), "status": managed_status(pending=OPEN)},
            ClearPending(),
        ),
        # It is no longer wanted: what it created is listed, and removed.
        ({"status": managed_status(pending=OPEN)}, ListKeys(prepare=False)),
        ({"status": managed_status(pending=OPEN), "listed": listed(A, B)}, Remove((B,), lost=True)),
        ({"status": managed_status(pending=OPEN), "listed": listed(A)}, ClearPending()),
        # An owned key that no status records does not take the place of another.
        ({"secret": DUE, "listed": listed(A, B)}, Retire()),
        ({"listed": listed(A, B)}, Retire()),
        ({"secret": replace(SERVED, altered=("data",)), "listed": listed(A, B)}, Retire()),
        ({"secret": DUE, "listed": listed(A)}, RecordIntent((A,))),
    ],
)
def test_an_open_intent_is_carried_on(changed: dict[str, Any], step: Step | str) -> None:
    """Never cleared away where the key is still wanted, and never left where it is not."""
    found = decide(given(**changed), now=NOON)
    assert (step_name(found) if isinstance(step, str) else found) == step


def test_an_import_that_was_begun_is_ended() -> None:
    """Keys may have been taken up already: even if nothing is to be changed by now."""
    step = decide(given(FILE, status=managed_status(pending=OPEN)), now=NOON)
    assert isinstance(step, Issue)


def test_keys_of_a_file_are_not_taken_for_lost() -> None:
    """One that is in use may stand under another import: it goes with its grant alone."""
    strays = listed(A, B)
    assert decide(given(FILE, secret=DUE, listed=strays), now=NOON) == RecordIntent((A, B))
    ending = given(FILE, deleting=True, listed=strays)
    assert decide(ending, now=NOON) == Revoke((A, B))


def test_an_unknown_import_is_imported_again() -> None:
    """Its keys may be in use: the new import takes over all of them, and the unknown one retires.

    Nothing else requires a write.
    """
    assert decide(given(FILE, listed=listed(A)), now=NOON) == NoOp()
    assert decide(given(FILE, listed=listed(A, B)), now=NOON) == RecordIntent((A, B))


@pytest.mark.parametrize("outcome", [Retire(), RecordIntent((A, B))])
def test_an_unknown_key_retires_an_overlap_later(outcome: Outcome) -> None:
    """In whole seconds, as it is recorded: the keys of the intent are recognized by that time."""
    before = given({"overlap": "24h"}, listed=listed(A, B), status=managed_status(pending=OPEN))
    after = next_status(before, outcome, now=noon(seconds=0.7))
    assert after.retiring == (RetiringKey(key_id=B, retire_at=noon(days=1)),)
    if isinstance(outcome, RecordIntent):
        assert strays_of_intent(replace(before, status=after)) == {B}


def test_a_grant_that_goes_takes_lost_keys_along() -> None:
    """Whenever they were made: their marks say whose they are."""
    assert decide(given(deleting=True, listed=listed(A, B)), now=NOON) == Revoke((A, B))


@pytest.mark.parametrize(
    ("key", "seconds"),
    [
        ({}, 86400),
        ({"overlap": "10s"}, 120),
        ({"overlap": "10s", "propagation": "5m"}, 300),
        ({"overlap": "1h", "propagation": "5m"}, 3600),
    ],
)
def test_an_old_key_stays_until_a_plan_knows_the_new_one(key: dict[str, Any], seconds: int) -> None:
    """The longer of overlap and propagation, from when the new one is in the Secret."""
    written = Written(replace(SERVED, key_id=B), key_id=B)
    (old,) = next_status(given(key), written, now=NOON).retiring
    assert (old.key_id, old.retire_at) == (A, noon(seconds=seconds))


def test_a_kept_key_cannot_become_one_of_another_kind() -> None:
    """The other kind would not know how to remove it."""
    changed = given(status=managed_status(kind="bedrockLongTermKey"))
    step = decide(changed, now=NOON)
    assert isinstance(step, Reject)
    assert step.failure.reason == "KindChanged"
    assert "its kind cannot be changed" in step.failure.message
    assert "Change it back, or delete the grant" in step.failure.remedy
