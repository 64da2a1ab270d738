"""Which actions a reconcile has carried out, for the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.planning.audit import Action, audit_records
from keywright.planning.state import CloudKey, GrantState, IssueReason
from keywright.planning.steps import (
    Fail,
    Issue,
    NoOp,
    ProbePending,
    Remove,
    Revoke,
    Rewrite,
    Verify,
    Written,
)
from keywright.secrets.ownership import Ownership
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import NO_SOURCE, secret, state
from tests.unit.replace import replace


def _written(**changed: Any) -> Written:
    return Written(secret(), "key-2", **changed)


def _unowned(seen: GrantState) -> GrantState:
    assert seen.secret is not None
    return replace(seen, secret=replace(seen.secret, ownership=Ownership.UNOWNED))


@pytest.mark.parametrize("cause", IssueReason)
def test_an_issue_is_one_action(cause: IssueReason) -> None:
    """The first key is issued, every other one is a renewal, and the cause is named."""
    (record,) = audit_records(state(), Issue(cause), _written(identity="arn:issuer"))
    assert record.identity == "arn:issuer"
    assert record.action is (Action.ISSUED if cause is IssueReason.NEW else Action.RENEWED)
    assert (record.reason, record.key_id) == (cause.value, "key-2")
    assert record.expires_at == secret().expires_at
    assert "key-2" in record.note()
    assert cause.value in record.note()


def test_a_secret_without_an_owner_is_adopted() -> None:
    """Whatever the cause is called."""
    (record,) = audit_records(_unowned(state()), Issue(IssueReason.NEW), _written())
    assert record.action is Action.ADOPTED


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (NoOp(), NoOp()),
        (Verify(), None),
        (Rewrite(IssueReason.SPEC), _written(renewed=False)),
        (Issue(IssueReason.DUE), Fail(NO_SOURCE)),
        (Issue(IssueReason.DUE), ProbePending(NO_SOURCE, NOON)),
        (Revoke(("key-1",)), Fail(NO_SOURCE)),
    ],
    ids=str,
)
def test_what_changes_no_key_is_no_action(step: Any, outcome: Any) -> None:
    """Nor is what has failed: conditions and Events report it."""
    assert audit_records(state(), step, outcome) == ()


@pytest.mark.parametrize(("lost", "reason"), [(False, "OverlapEnded"), (True, "NeverPublished")])
def test_each_removed_key_is_an_action(reason: str, *, lost: bool) -> None:
    """An old key after its overlap, or one that no client ever had."""
    removed = Remove(("key-0", "key-1"), lost=lost)
    records = audit_records(state(), removed, removed)
    assert [(each.action, each.reason, each.key_id) for each in records] == [
        (Action.RETIRED, reason, "key-0"),
        (Action.RETIRED, reason, "key-1"),
    ]


def test_a_revocation_names_each_key() -> None:
    """Of a grant that was deleted."""
    records = audit_records(state(), Revoke(("key-0", "key-1")), None)
    assert [(each.action, each.key_id) for each in records] == [
        (Action.REVOKED, "key-0"),
        (Action.REVOKED, "key-1"),
    ]
    assert {each.reason for each in records} == {"GrantDeleted"}


def test_a_key_that_was_gone_before_is_no_action() -> None:
    """A status or Secret can still name it."""
    listed = (CloudKey("key-1", created_at=NOON),)
    seen = state(listed=listed)
    assert [each.key_id for each in audit_records(seen, Revoke(("key-0", "key-1")), None)] == [
        "key-1"
    ]
    removed = Remove(("key-0", "key-1"))
    assert [each.key_id for each in audit_records(seen, removed, removed)] == ["key-1"]


def test_each_restarted_workload_is_an_action() -> None:
    """Beside that of the key."""
    records = audit_records(
        state(), Issue(IssueReason.DUE), _written(), restarted=("Deployment/a", "DaemonSet/b")
    )
    assert [each.action for each in records] == [
        Action.RENEWED,
        Action.RESTARTED,
        Action.RESTARTED,
    ]
    assert "Deployment/a" in records[1].note()
