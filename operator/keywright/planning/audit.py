"""What a reconcile has done, for the audit log and the Events; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from keywright.api.times import format_time
from keywright.planning.state import GrantState, IssueReason
from keywright.planning.steps import Issue, Outcome, Remove, Revoke, Step, Written
from keywright.secrets.ownership import Ownership


class Action(StrEnum):
    """What was done; the value is the reason of the Event."""

    ISSUED = "Issued"
    RENEWED = "Renewed"
    ADOPTED = "Adopted"
    RETIRED = "Retired"
    REVOKED = "Revoked"
    RESTARTED = "Restarted"


# Why a key was removed or a workload restarted; that of an issue is its IssueReason.
OVERLAP_ENDED: Final = "OverlapEnded"
NEVER_PUBLISHED: Final = "NeverPublished"
GRANT_DELETED: Final = "GrantDeleted"
DATA_CHANGED: Final = "DataChanged"
_SINGULAR: Final = {
    Action.ISSUED: "Issued a key",
    Action.RENEWED: "Renewed the key",
    Action.ADOPTED: "Adopted the Secret and issued a key",
    Action.RETIRED: "Removed an old key",
    Action.REVOKED: "Revoked the key",
    Action.RESTARTED: "Restarted a workload",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One action: the key's ID, which is not secret, and why; `object_name` is a workload.

    `identity`: the ARN that issued the key, if this action has issued one.
    """

    action: Action
    reason: str
    key_id: str | None = None
    expires_at: datetime | None = None
    object_name: str = ""
    identity: str = ""

    def note(self) -> str:
        """Return the sentence for people."""
        text = _SINGULAR[self.action]
        if self.object_name:
            text += f": {self.object_name}"
        if self.key_id:
            text += f", ID {self.key_id}"
        if self.expires_at is not None:
            text += f", valid until {format_time(self.expires_at)}"
        return f"{text} (reason {self.reason})."


def audit_records(
    state: GrantState, step: Step, outcome: Outcome | None, *, restarted: Iterable[str] = ()
) -> tuple[AuditRecord, ...]:
    """Return what was done by a step that has succeeded, and the workloads `restarted` after it.

    Nothing for a step that only looks, reports or writes the same key again.
    """
    return (
        *_of_the_key(state, step, outcome),
        *(
            AuditRecord(action=Action.RESTARTED, reason=DATA_CHANGED, object_name=name)
            for name in restarted
        ),
    )


def _of_the_key(state: GrantState, step: Step, outcome: Outcome | None) -> tuple[AuditRecord, ...]:
    match step, outcome:
        case Issue(cause), Written(renewed=True):
            return (
                AuditRecord(
                    action=_issue_action(state, cause),
                    reason=cause.value,
                    key_id=outcome.key_id,
                    expires_at=outcome.secret.expires_at,
                    identity=outcome.identity,
                ),
            )
        case _, Remove(key_ids, lost=lost):
            reason = NEVER_PUBLISHED if lost else OVERLAP_ENDED
            return tuple(
                AuditRecord(action=Action.RETIRED, reason=reason, key_id=key_id)
                for key_id in _existing(state, key_ids)
            )
        case Revoke(key_ids), None:
            return tuple(
                AuditRecord(action=Action.REVOKED, reason=GRANT_DELETED, key_id=key_id)
                for key_id in _existing(state, key_ids)
            )
        case _:
            return ()


def _existing(state: GrantState, key_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that the cloud had: a status can still name one that was deleted before."""
    if state.listed is None:
        return key_ids
    listed = {key.id for key in state.listed}
    return tuple(key_id for key_id in key_ids if key_id in listed)


def _issue_action(state: GrantState, cause: IssueReason) -> Action:
    secret = state.secret
    if secret is not None and secret.ownership is Ownership.UNOWNED:
        return Action.ADOPTED
    return Action.ISSUED if cause is IssueReason.NEW else Action.RENEWED
