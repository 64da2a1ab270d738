"""The mint journal: which step is next, by what is written down and what is listed."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import DeletionPolicy
from keywright.api.status import ConditionStatus, PendingCreate, RetiringKey
from keywright.planning.decide import decide
from keywright.planning.deletion import MIN_ATTEMPTS
from keywright.planning.requeue import requeue_at
from keywright.planning.state import CloudKey, GrantState
from keywright.planning.status import next_status
from keywright.planning.steps import (
    AddFinalizer,
    ClearPending,
    Deactivate,
    Fail,
    Issue,
    ListKeys,
    NoOp,
    RecordIntent,
    Remove,
    RemoveFinalizer,
    ReportDeletion,
    Revoke,
    Step,
    Wait,
    Written,
)
from keywright.secrets.ownership import Ownership
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import (
    MISSING_SOURCE,
    READY,
    noon,
    secret,
    state,
    status,
    step_name,
)
from tests.unit.replace import replace

KEY = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d", "overlap": "1h"}
A, B, C, D = (f"123456789012/bedrock-chat/ACCA{letter}" for letter in "ABCD")
OLD_USERS = "123456789012/bedrock-former/ACCAZ"
KIND = "bedrockLongTermKey"
SERVED = secret(key_id=A, expires_at=None, renew_at=noon(days=1))
DUE = replace(SERVED, renew_at=NOON)
SETTLED = timedelta(seconds=181)


def kept(**spec: Any) -> Any:
    """The grant, with other fields of its key."""
    return grant(bedrockShortTermKey=None, bedrockLongTermKey=KEY | spec)


def managed_status(**changed: Any) -> Any:
    """The status of a grant whose key is A."""
    return status(**{"kind": KIND, "key_id": A, "expires_at": None} | changed)


def given(**changed: Any) -> GrantState:
    """A grant whose key A is in its Secret, and lists nothing."""
    usual = {"grant": kept(), "status": managed_status(), "secret": SERVED, "has_finalizer": True}
    if changed.get("deleting"):
        step_name = usual | changed
        usual["status"] = changed.pop("status", usual["status"])
        ready = msgspec.structs.replace(READY, status=ConditionStatus.FALSE, reason="Deleting")
        usual["status"] = msgspec.structs.replace(step_name["status"], conditions=(ready,))
    return state(**usual | changed)


def key(name: str, *, at: float = 0, active: bool = True, here: bool = True) -> CloudKey:
    """A key that was made so many seconds after noon."""
    return CloudKey(name, created_at=noon(seconds=at), active=active, in_current_holder=here)


def pending(*baseline: str, ago: timedelta = timedelta(0)) -> PendingCreate:
    """An intent of noon, or of before."""
    return PendingCreate(started_at=NOON - ago, baseline=baseline)


def retiring(name: str, *, minutes: float) -> tuple[RetiringKey, ...]:
    """One key that goes so many minutes after noon."""
    return (RetiringKey(key_id=name, retire_at=noon(minutes=minutes)),)


NEW = given(secret=None, status=managed_status(key_id=None, revision=0))
OPEN = managed_status(pending=pending(A))
OPEN_LONG = managed_status(pending=pending(A, ago=SETTLED))
B_RETIRES = managed_status(retiring=retiring(B, minutes=30))
B_GOES = managed_status(retiring=retiring(B, minutes=0))
IN_B = replace(SERVED, key_id=B)
KEY_LOST_TOLD = (msgspec.structs.replace(READY, status=ConditionStatus.FALSE, reason="KeyLost"),)

ROWS: list[tuple[str, GrantState, str]] = [
    ("all is well", given(), "NoOp"),
    ("nothing without the finalizer", given(has_finalizer=False), "AddFinalizer"),
    ("a new grant: first the finalizer", replace(NEW, has_finalizer=False), "AddFinalizer"),
    ("then the baseline", NEW, "Look and prepare"),
    ("then the intent", replace(NEW, listed=()), "RecordIntent"),
    ("which names what exists", replace(NEW, listed=(key(C),)), "RecordIntent C"),
    ("a key is due", given(secret=DUE), "Look and prepare"),
    ("its intent", given(secret=DUE, listed=(key(A),)), "RecordIntent A"),
    ("create", given(secret=DUE, status=OPEN, intent_written_by_this_process=True), "Issue"),
    ("not by an intent of before", given(secret=DUE, status=OPEN), "ListKeys"),
    (
        "nor by one that is too old",
        given(
            secret=DUE,
            status=managed_status(pending=pending(ago=SETTLED * 2)),
            intent_written_by_this_process=True,
        ),
        "ListKeys",
    ),
    ("an unknown is looked into, due or not", given(status=OPEN), "ListKeys"),
    ("what it made is lost", given(status=OPEN, listed=(key(A), key(B, at=3))), "Lost B"),
    ("a clock that is behind", given(status=OPEN, listed=(key(A), key(B, at=-200))), "Lost B"),
    (
        "not what is older",
        given(status=OPEN_LONG, listed=(key(A), key(B, at=-999))),
        "ClearPending",
    ),
    (
        "nor what is younger",
        given(status=OPEN_LONG, listed=(key(A), key(B, at=999))),
        "ClearPending",
    ),
    ("nor what was there before", given(status=OPEN_LONG, listed=(key(A, at=1),)), "ClearPending"),
    (
        "nor another user's",
        given(status=OPEN_LONG, listed=(key(B, at=1, here=False),)),
        "ClearPending",
    ),
    ("a listing may be behind", given(status=OPEN, listed=(key(A),)), "Wait 180"),
    ("and is believed later", given(status=OPEN_LONG, listed=(key(A),)), "ClearPending"),
    (
        "then a due key goes on",
        given(secret=DUE, status=OPEN_LONG, listed=(key(A),)),
        "RecordIntent A",
    ),
    ("the Secret was written, the status not", given(secret=IN_B, status=OPEN), "ClearPending"),
    ("an old key waits", given(status=B_RETIRES), "NoOp"),
    ("its time has come", given(status=B_GOES), "ListKeys"),
    ("first inactive", given(status=B_GOES, listed=(key(A), key(B))), "Deactivate B"),
    ("then gone", given(status=B_GOES, listed=(key(A), key(B, active=False))), "Remove B"),
    ("gone already", given(status=B_GOES, listed=(key(A),)), "Remove B"),
    (
        "a rotation waits for the overlap",
        given(secret=DUE, status=B_RETIRES, listed=(key(B), key(A))),
        "Wait 1800",
    ),
    (
        "but not where no key is served",
        given(secret=None, status=B_RETIRES, listed=(key(B), key(A))),
        "Remove B",
    ),
    (
        "the inactive key in use makes room, not a retiring one that works",
        given(
            secret=replace(SERVED, lost=True),
            status=msgspec.structs.replace(B_RETIRES, conditions=KEY_LOST_TOLD),
            listed=(key(B), key(A, at=9, active=False)),
        ),
        "Remove A",
    ),
    (
        "an inactive retiring key goes first",
        given(
            secret=None,
            status=B_RETIRES,
            listed=(key(A), key(B, at=9, active=False)),
        ),
        "Remove B",
    ),
    (
        "two unknown keys",
        replace(NEW, listed=(key(C), key(D))),
        "Fail KeyLimitReached",
    ),
    (
        "exclusive: the older makes room",
        replace(NEW, grant=kept(exclusive=True), listed=(key(D, at=9), key(C))),
        "Remove C",
    ),
    (
        "one of ours, one unknown",
        given(secret=DUE, listed=(key(A), key(C))),
        "Fail KeyLimitReached",
    ),
    (
        "exclusive never takes the one in use",
        given(grant=kept(exclusive=True), secret=DUE, listed=(key(A), key(C))),
        "Remove C",
    ),
    (
        "a former user's key takes no place",
        given(secret=DUE, listed=(key(A), key(OLD_USERS, here=False))),
        "RecordIntent A Z",
    ),
    ("unreadable: a new key, by the journal", given(unreadable=True), "Look and prepare"),
    ("without its source a good key stays", given(status=B_GOES, **MISSING_SOURCE), "NoOp"),
    ("no other kind of key", state(has_finalizer=True), "Reject KindChanged"),
]

RETAINED = replace(
    kept(), spec=msgspec.structs.replace(kept().spec, deletion_policy=DeletionPolicy.RETAIN)
)
LOST_SOURCE = given(deleting=True, **MISSING_SOURCE)
TRIED = {"last_failure_time": NOON - timedelta(hours=1)}

ENDINGS: list[tuple[str, GrantState, str]] = [
    ("first a look", given(deleting=True), "ListKeys"),
    ("then all that is known", given(deleting=True, listed=(key(A),)), "Revoke A"),
    (
        "with what retires",
        given(deleting=True, status=B_RETIRES, listed=()),
        "Revoke A B",
    ),
    (
        "and what an unknown made",
        given(deleting=True, status=OPEN, listed=(key(A), key(B, at=2))),
        "Revoke A B",
    ),
    ("which may not show yet", given(deleting=True, status=OPEN, listed=(key(A),)), "Wait 180"),
    ("later it is believed", given(deleting=True, status=OPEN_LONG, listed=(key(A),)), "Revoke A"),
    ("not a stranger's", given(deleting=True, listed=(key(A), key(C))), "Revoke A"),
    ("Retain: the tags must say so", given(deleting=True, grant=RETAINED), "ListKeys"),
    (
        "Retain leaves all",
        given(deleting=True, grant=RETAINED, listed=(key(A),)),
        "RemoveFinalizer",
    ),
    (
        "Retain without a source",
        given(deleting=True, grant=RETAINED, **MISSING_SOURCE),
        "RemoveFinalizer",
    ),
    (
        "Retain without a key",
        given(deleting=True, grant=RETAINED, secret=None, status=managed_status(key_id=None)),
        "RemoveFinalizer",
    ),
    (
        "Retain: tags that could not be set",
        given(
            deleting=True,
            grant=RETAINED,
            status=managed_status(failed_attempts=1, last_failure_time=NOON),
        ),
        "Wait 1",
    ),
    (
        "Retain: tags that cannot be set",
        given(
            deleting=True,
            grant=RETAINED,
            status=managed_status(failed_attempts=MIN_ATTEMPTS, **TRIED),
        ),
        "RemoveFinalizer",
    ),
    ("no source", LOST_SOURCE, "Fail SourceNotFound"),
    (
        "the last try but one",
        given(deleting=True, status=managed_status(failed_attempts=MIN_ATTEMPTS - 1, **TRIED)),
        "ListKeys",
    ),
    (
        "bounded",
        given(deleting=True, status=managed_status(failed_attempts=MIN_ATTEMPTS, **TRIED)),
        "RemoveFinalizer A",
    ),
    ("no spec to go by", given(deleting=True, grant=None), "Fail KindChanged"),
    (
        "no spec to go by, and no key",
        given(deleting=True, grant=None, secret=None, status=managed_status(key_id=None)),
        "RemoveFinalizer",
    ),
    (
        "no spec to go by, and an intent that may have created a key",
        given(
            deleting=True,
            grant=None,
            secret=None,
            status=managed_status(key_id=None, pending=pending()),
        ),
        "Fail KindChanged",
    ),
    (
        "no spec to go by, after the time of a revocation",
        given(
            deleting=True, grant=None, status=managed_status(failed_attempts=MIN_ATTEMPTS, **TRIED)
        ),
        "RemoveFinalizer A",
    ),
]


def words(step: Step) -> str:
    """A step and its keys, by the last letters of their ids."""
    match step:
        case Issue():
            return "Issue"
        case ListKeys(prepare=True):
            return "Look and prepare"
        case Wait(until):
            return f"Wait {(until - NOON).total_seconds():.0f}"
        case Remove(ids, lost=True):
            return " ".join(["Lost", *_letters(ids)])
        case RecordIntent(ids) | Deactivate(ids) | Remove(ids) | Revoke(ids) | RemoveFinalizer(ids):
            return " ".join([type(step).__name__, *_letters(ids)])
        case ListKeys() | ClearPending() | AddFinalizer() | NoOp():
            return type(step).__name__
        case _:
            return step_name(step)


def _letters(ids: tuple[str, ...]) -> list[str]:
    return [key_id[-1] for key_id in ids]


@pytest.mark.parametrize(
    ("case", "state", "step"), ROWS + ENDINGS, ids=lambda value: str(value)[:40]
)
def test_the_next_step(case: str, state: GrantState, step: str) -> None:
    """What is known decides alone; each row is one state that a crash may leave."""
    del case
    assert words(decide(state, now=NOON)) == step


def test_a_deletion_is_told_before_the_key_is_revoked() -> None:
    """A grant whose key is being removed never shows Ready=True; earlier failures do not count."""
    going = state(
        grant=kept(), status=managed_status(failed_attempts=99), secret=SERVED, has_finalizer=True
    )
    going = replace(going, deleting=True)
    assert decide(going, now=NOON) == ReportDeletion()
    after = next_status(going, ReportDeletion(), now=NOON)
    ready = after.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == (ConditionStatus.FALSE, "Deleting")
    assert after.failed_attempts == 0
    assert words(decide(replace(going, status=after), now=NOON)) == "ListKeys"


def test_an_outage_is_waited_for_and_told() -> None:
    """The grant goes when the time is over, not after some tries; the message says when."""
    failing = Failure("no answer.", kind=FailureClass.TRANSIENT, reason="CloudError")
    going = given(
        deleting=True,
        deleting_since=NOON,
        revocation=timedelta(minutes=15),
        status=managed_status(failed_attempts=MIN_ATTEMPTS),
    )
    before = noon(minutes=14)
    after = replace(going, status=next_status(going, Fail(failing), now=before))
    ready = after.status.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == (ConditionStatus.FALSE, "Deleting")
    assert "no answer." in ready.message
    assert "2026-11-22T12:15:00Z" in ready.message
    assert words(decide(after, now=before)) == "Wait 900"
    step = decide(after, now=noon(minutes=15))
    assert isinstance(step, RemoveFinalizer)
    assert step.orphaned == (A,)
    assert "no answer." in step.why
    assert "2026-11-22T12:15:00Z" not in step.why


def test_the_message_names_the_unknown_keys() -> None:
    """The message lists their IDs, and mentions `exclusive`."""
    step = decide(replace(NEW, listed=(key(C), key(D))), now=NOON)
    assert isinstance(step, Fail)
    assert C in step.failure.message
    assert D in step.failure.message
    assert "exclusive" in step.failure.remedy


def test_an_intent_is_written_with_its_baseline() -> None:
    """Ready is set from the first write on; the time is in whole seconds."""
    found = next_status(replace(NEW, listed=(key(C),)), RecordIntent((C,)), now=noon(seconds=0.7))
    assert found.pending == PendingCreate(started_at=NOON, baseline=(C,))
    assert found.kind == KIND


@pytest.mark.parametrize(
    ("ownership", "expected"), [(Ownership.OWNED, A), (Ownership.UNOWNED, None)]
)
def test_an_intent_keeps_the_id_of_the_secret_if_the_status_was_lost(
    ownership: Ownership, expected: str | None
) -> None:
    """The key in use retires after the new one is published; an ID of others does not count."""
    lost = managed_status(key_id=None, revision=0, kind=None)
    before = given(secret=replace(DUE, ownership=ownership), status=lost, listed=(key(A),))
    assert next_status(before, RecordIntent((A,)), now=NOON).key_id == expected


def test_an_id_of_another_kind_is_no_key_to_retire() -> None:
    """A grant that had a short-term key leaves nothing in the cloud."""
    before = given(secret=None, status=status(kind="bedrockShortTermKey", key_id="ASIA1"))
    found = next_status(before, RecordIntent(()), now=NOON)
    assert found.key_id is None


def test_the_old_key_retires_after_the_overlap() -> None:
    """The status names both until it goes."""
    written = Written(replace(SERVED, key_id=B, replaces=A), B)
    found = next_status(given(secret=DUE, status=OPEN), written, now=NOON)
    assert found.key_id == B
    assert found.pending is None
    assert found.retiring == (RetiringKey(key_id=A, retire_at=noon(hours=1)),)


def test_a_status_that_was_not_written_is_settled_from_the_secret() -> None:
    """Killed between Secret and status: the same end as without."""
    found = next_status(given(secret=IN_B, status=OPEN), ClearPending(), now=NOON)
    assert (found.key_id, found.pending) == (B, None)
    assert [old.key_id for old in found.retiring] == [A]


EARLIER, LATER = "2026-11-22T07:00:00Z", "2026-11-22T11:00:00Z"


@pytest.mark.parametrize(
    ("held", "request_now", "request_of_intent", "expected"),
    [
        pytest.param(IN_B, EARLIER, None, EARLIER, id="before the key"),
        pytest.param(IN_B, "2026-11-22T08:00:00.9Z", None, "2026-11-22T08:00:00.9Z", id="same"),
        pytest.param(IN_B, EARLIER, "first", EARLIER, id="before the key, after the intent"),
        pytest.param(IN_B, LATER, None, "recorded", id="after the key"),
        pytest.param(IN_B, LATER, "first", "first", id="after the key, the intent had another"),
        pytest.param(IN_B, "soon", None, "recorded", id="no time"),
        pytest.param(IN_B, "soon", "soon", "soon", id="no time, in the intent"),
        pytest.param(IN_B, None, "first", "first", id="removed"),
        pytest.param(replace(IN_B, issued_at=None), EARLIER, None, "recorded", id="key of no time"),
        pytest.param(SERVED, EARLIER, "first", "recorded", id="no new key"),
        pytest.param(None, EARLIER, "first", "recorded", id="no Secret"),
    ],
)
def test_a_settled_intent_answers_the_request_that_the_key_is_newer_than(
    held: Any, request_now: str | None, request_of_intent: str | None, expected: str
) -> None:
    """As if the status had been written with the Secret: a later request issues another key."""
    intent = PendingCreate(started_at=NOON, baseline=(A,), request=request_of_intent)
    before = given(
        grant=replace(kept(), renew_requested_at=request_now),
        status=managed_status(pending=intent, last_handled_reconcile_at="recorded"),
        secret=held,
    )
    after = next_status(before, ClearPending(), now=NOON)
    assert after.last_handled_reconcile_at == expected
    assert after.pending is None


def test_a_lost_status_comes_back_from_the_secret() -> None:
    """The key in use, and the one that it has replaced, until the overlap is over."""
    lost = msgspec.structs.replace(managed_status(), key_id=None, revision=0, kind=None)
    view = replace(SERVED, replaces=C)
    found = next_status(given(secret=view, status=lost), ClearPending(), now=NOON)
    assert found.key_id == A
    assert found.retiring == (RetiringKey(key_id=C, retire_at=noon(hours=-3)),)


def test_removed_keys_leave_the_status() -> None:
    """A lost key ends its intent; a retired one does not."""
    before = given(status=managed_status(pending=pending(), retiring=retiring(B, minutes=0)))
    assert next_status(before, Remove((B,)), now=NOON).retiring == ()
    assert next_status(before, Remove((B,)), now=NOON).pending is not None
    assert next_status(before, Remove((C,), lost=True), now=NOON).pending is None


@pytest.mark.parametrize("certain", [True, False])
def test_only_certain_knowledge_ends_an_intent(certain: bool) -> None:  # noqa: FBT001  a table
    """A refusal made nothing; an answer that did not come is an unknown."""
    failure = Failure("no.", kind=FailureClass.TRANSIENT, reason="No", no_side_effect=certain)
    found = next_status(given(status=OPEN), Fail(failure), now=NOON)
    assert (found.pending is None) == certain


def test_the_next_look_is_for_what_goes_next() -> None:
    """Retirement wakes the grant as renewal does; a step of the journal follows at once."""
    assert requeue_at(given(status=B_RETIRES), NoOp(), now=NOON) == noon(minutes=30)
    assert requeue_at(given(), NoOp(), now=NOON) == noon(days=1)
    assert requeue_at(given(status=OPEN), NoOp(), now=NOON) == NOON
    assert requeue_at(given(), ListKeys(prepare=True), now=NOON) == NOON


def test_a_kind_without_a_user_is_not_told_of_one() -> None:
    """The keys of Model Studio belong to the account."""
    made = grant(bedrockShortTermKey=None, modelStudioKey={"rotateEvery": "7d"})
    listed = tuple(key(f"1/cn-beijing/{number}", at=number) for number in range(10))
    fresh = managed_status(kind="modelStudioKey", key_id=None, revision=0)
    step = decide(given(grant=made, secret=None, status=fresh, listed=listed), now=NOON)
    assert isinstance(step, Fail)
    assert step.failure.reason == "KeyLimitReached"
    assert step.failure.field == "spec.modelStudioKey"
    assert "user" not in f"{step.failure} {step.failure.remedy}"
