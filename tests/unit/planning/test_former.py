"""When the Secret of a former name is cleared, and what is reported of it until then."""

from typing import Any

import msgspec
import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import FormerSecretPolicy
from keywright.api.status import Condition, ConditionStatus, FormerSecret, GrantStatus, RetiringKey
from keywright.planning.contest import taken_fields
from keywright.planning.decide import decide
from keywright.planning.former import former_notice, former_secrets
from keywright.planning.requeue import requeue_at
from keywright.planning.state import GrantState
from keywright.planning.status import next_status
from keywright.planning.steps import (
    Fail,
    FormerState,
    FormerTended,
    NoOp,
    Reject,
    TendFormer,
    Written,
)
from keywright.secrets.ownership import Ownership
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon, secret, state, status, step_name
from tests.unit.replace import replace

_OLD = FormerSecret(name="old")
_LONG_TERM: dict[str, Any] = {
    "bedrockShortTermKey": None,
    "bedrockLongTermKey": {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"},
}


def _renamed(
    *, policy: FormerSecretPolicy = FormerSecretPolicy.CLEAR, **changed: Any
) -> GrantState:
    """The grant keeps Secret chat-key now, and kept Secret old before."""
    spec = grant(secret={"formerSecretPolicy": policy.value})
    found = changed.pop("status", status(former_secrets=(_OLD,)))
    return state(grant=spec, status=found, **changed)


def _conditions(found: GrantStatus) -> list[str]:
    return [f"{each.type} {each.status} {each.reason}" for each in found.conditions]


def test_another_name_leaves_the_old_secret_behind() -> None:
    """With the write that records the new one; condition and Event name it, once."""
    before = state(status=status(secret_name="old"))
    after = next_status(before, Written(secret(), "ASIA2"), now=NOON)
    assert (after.secret_name, after.former_secrets) == ("chat-key", (_OLD,))
    assert _conditions(after) == ["Ready True Succeeded", "FormerSecretLeft True Pending"]
    event = former_notice(before.status, after, NoOp())
    assert event is not None
    assert (event.warning, event.reason) == (True, "FormerSecretLeft")
    assert "spec.secret.name became chat-key: Secret old." in event.note
    assert "Set spec.secret.formerSecretPolicy to Retain to keep" in event.note
    later = replace(before, status=after)
    assert next_status(later, NoOp(), now=NOON) == after
    assert former_notice(after, after, NoOp()) is None


def test_a_name_that_was_never_published_leaves_nothing_behind() -> None:
    """If another Secret is in the way or the first try failed, the status names the old one."""
    failure = Failure("it is not ours.", kind=FailureClass.CONFIGURATION, reason="SecretConflict")
    before = state(status=status(secret_name="old"), secret=None)
    for outcome in (Reject(failure), Fail(failure)):
        after = next_status(before, outcome, now=NOON)
        assert (after.secret_name, after.former_secrets) == ("old", ())
        assert taken_fields(replace(before, status=after)) == ()


def test_names_are_collected_once_and_bounded() -> None:
    """Back and forth; a Secret that was never published is not left behind."""
    there = former_secrets(status(secret_name="b"), name="chat-key", released=False)
    assert [each.name for each in there] == ["b"]
    back = status(secret_name="chat-key", former_secrets=there)
    assert [e.name for e in former_secrets(back, name="b", released=False)] == ["chat-key"]
    unpublished = status(secret_name="b", revision=0)
    assert former_secrets(unpublished, name="chat-key", released=False) == ()
    many = status(former_secrets=tuple(FormerSecret(name=f"s{n}") for n in range(16)))
    found = former_secrets(many, name="new", released=False)
    assert [each.name for each in found] == [*(f"s{n}" for n in range(1, 16)), "chat-key"]


def test_a_cleared_secret_stays_named_until_it_is_taken_again() -> None:
    """The entry is what allows its grant to take it."""
    cleared = status(former_secrets=(FormerSecret(name="chat-key", uid="u", cleared=True),))
    assert former_secrets(cleared, name="chat-key", released=True) == cleared.former_secrets
    assert former_secrets(cleared, name="chat-key", released=False) == ()


def test_it_is_cleared_once_the_new_secret_is_published() -> None:
    """At once if no workload is restarted and no old key retires."""
    renamed = _renamed()
    assert decide(renamed, now=NOON) == TendFormer(_OLD, clear=True)
    assert requeue_at(renamed, NoOp(), now=NOON) == NOON
    for secret_now in (
        None,
        secret(ownership=Ownership.UNOWNED),
        secret(ownership=Ownership.OWNED_BY_OTHER),
        secret(revision=0),
        secret(lost=True),
        secret(altered=("data",)),
    ):
        other = _renamed(secret=secret_now)
        assert not isinstance(decide(other, now=NOON), TendFormer)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": status(former_secrets=(_OLD,), secret_name="old")},
        {"status": status(former_secrets=(_OLD,), observed_generation=0)},
        {"deleting": True},
    ],
    ids=["the status names the old one", "an edit", "deletion"],
)
def test_it_is_left_alone_before(changed: dict[str, Any]) -> None:
    """The status must name it first: it is the journal."""
    assert not isinstance(decide(_renamed(**changed), now=NOON), TendFormer)


def test_it_waits_for_the_rollout() -> None:
    """Workloads that are not restarted yet read the old Secret."""
    progress = Condition(
        type="RolloutProgressing", status=ConditionStatus.TRUE, reason="Changed", message="."
    )
    rolling = status(former_secrets=(_OLD,))
    rolling = msgspec.structs.replace(rolling, conditions=(*rolling.conditions, progress))
    waits = _renamed(status=rolling)
    assert decide(waits, now=NOON) == NoOp()
    assert requeue_at(waits, NoOp(), now=NOON) == requeue_at(state(), NoOp(), now=NOON)


def test_it_waits_for_the_old_key_of_a_cloud() -> None:
    """The overlap is the time that readers have."""
    lasting = grant(**_LONG_TERM)
    key = RetiringKey(key_id="A", retire_at=noon(hours=1))
    kept = status(kind="bedrockLongTermKey", key_id="B", former_secrets=(_OLD,), retiring=(key,))
    waits = state(grant=lasting, status=kept, secret=secret(key_id="B"), has_finalizer=True)
    assert step_name(decide(waits, now=NOON)) == "NoOp"
    retired = replace(waits, status=msgspec.structs.replace(kept, retiring=()))
    assert decide(retired, now=NOON) == TendFormer(_OLD, clear=True)


def test_a_suspended_grant_does_nothing_and_is_not_looked_at_for_it() -> None:
    """A due time that nothing comes of would keep the workers busy."""
    suspended = state(grant=grant(suspend=True), status=status(former_secrets=(_OLD,)))
    assert decide(suspended, now=NOON) == NoOp()
    assert requeue_at(suspended, NoOp(), now=NOON) != NOON


def test_a_retained_secret_is_only_looked_at() -> None:
    """Every hour, so that the status forgets one that was deleted."""
    retained = _renamed(policy=FormerSecretPolicy.RETAIN)
    assert decide(retained, now=NOON) == TendFormer(_OLD, clear=False)
    later = replace(retained, former_due=noon(hours=1))
    assert decide(later, now=NOON) == NoOp()
    assert requeue_at(later, NoOp(), now=NOON) == noon(hours=1)
    after = next_status(later, NoOp(), now=NOON)
    assert _conditions(after)[-1] == "FormerSecretLeft True Retained"


def test_what_came_of_it_is_recorded() -> None:
    """The uid before it is cleared; one that is gone or another's is forgotten."""
    renamed = _renamed()

    def after(state: FormerState, **more: Any) -> GrantStatus:
        return next_status(renamed, FormerTended("old", state, **more), now=NOON)

    assert after(FormerState.FOUND, uid="u").former_secrets == (FormerSecret(name="old", uid="u"),)
    cleared = after(FormerState.CLEARED, uid="u")
    assert cleared.former_secrets == (FormerSecret(name="old", uid="u", cleared=True),)
    assert _conditions(cleared) == ["Ready True Succeeded"]
    for gone in (FormerState.GONE, FormerState.FOREIGN):
        assert after(gone).former_secrets == ()
    failed = after(FormerState.FAILED, uid="u", message="it is immutable.")
    assert failed.former_secrets[0].message == "it is immutable."
    assert _conditions(failed) == ["Ready True Succeeded", "FormerSecretLeft True ClearingFailed"]
    assert failed.failed_attempts == 0


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (FormerState.CLEARED, "FormerSecretCleared"),
        (FormerState.FOREIGN, "FormerSecretLeftAlone"),
        (FormerState.GONE, None),
    ],
)
def test_its_end_is_an_event(state: FormerState, reason: str | None) -> None:
    """No warning: it is what was announced."""
    renamed = _renamed()
    tended = FormerTended("old", state, "u")
    managed_status = next_status(renamed, NoOp(), now=NOON)
    event = former_notice(managed_status, next_status(renamed, tended, now=NOON), tended)
    assert (event.reason if event is not None else None) == reason
    assert event is None or not event.warning


def test_a_grant_that_finds_a_secret_left_behind_is_told_so() -> None:
    """And one that was released takes it."""
    found = secret(
        ownership=Ownership.OWNED_BY_OTHER, owner="chat/first", left_behind=True, revision=0
    )
    assert step_name(decide(state(secret=found), now=NOON)) == "Reject SecretConflict"
    released = secret(ownership=Ownership.UNOWNED, released=True, revision=0, matches_spec=False)
    assert step_name(decide(state(secret=released), now=NOON)).startswith("Issue")
    nobodys = replace(released, released=False)
    assert step_name(decide(state(secret=nobodys), now=NOON)) == "Reject SecretConflict"
