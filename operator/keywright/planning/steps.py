"""The steps that a decision can return, and their outcomes.

A step that sends no request is its own outcome: the status is computed from it. So is one that only
removes keys. A step that issues a key, writes the Secret or checks a former Secret has an outcome
of another type, and one that fails becomes `Fail` or `Reject`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from keywright.api.errors import Failure
from keywright.api.status import FormerSecret
from keywright.planning.state import IssueReason, SecretState


@dataclass(frozen=True, slots=True)
class Issue:
    """Issue a new key and write it to the Secret."""

    cause: IssueReason


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Write the Secret again with the key that it holds; issue one only if that is unreadable."""

    cause: IssueReason


@dataclass(frozen=True, slots=True)
class Relabel:
    """Add the watch label to the Secret, without changing its data; needs no key and no source."""


@dataclass(frozen=True, slots=True)
class TendFormer:
    """Check a Secret of a former name; `clear`: remove what the operator has written to it."""

    secret: FormerSecret
    clear: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait until that time to repair a contested field."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Reject:
    """Do nothing until the grant, or what it refers to, is edited; the failure says why."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class NoOp:
    """Do nothing; the status says that the key in the Secret is in use."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until that time to retry a failed attempt; nothing is reported."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Fail:
    """Report a failed attempt, which is retried after the back-off."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Verify:
    """Look up the key in use, by a listing that other grants share."""


@dataclass(frozen=True, slots=True)
class ReportLost:
    """Report that the key in the Secret does not exist in the cloud, before another is issued."""

    key_id: str


@dataclass(frozen=True, slots=True)
class ReportDeletion:
    """Report that the grant is being deleted, before its key is revoked."""


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Add the finalizer, so that the grant is not removed before its key."""


@dataclass(frozen=True, slots=True)
class ListKeys:
    """List the keys in the cloud; `prepare` creates or updates their owner first."""

    prepare: bool


@dataclass(frozen=True, slots=True)
class RecordIntent:
    """Record that a key is about to be created, and which keys existed before (`baseline`)."""

    baseline: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClearPending:
    """Close the journal: Secret and cloud show which key is in use."""


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Deactivate keys that are deleted next."""

    key_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete keys from the cloud; `lost`: an intent created them, and no client has their value.

    `unproved` are old keys that no proof shows to be the grant's: they are left alone, and dropped
    from the status.
    """

    key_ids: tuple[str, ...]
    lost: bool = False
    unproved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retire:
    """Retire, after the overlap, the keys that only the cloud's tags show as the grant's."""


@dataclass(frozen=True, slots=True)
class Revoke:
    """Delete the keys of a deleted grant and what was created for them, then its finalizer."""

    key_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Remove the finalizer, whatever is left in the cloud; `orphaned` keys are left by failure."""

    orphaned: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """The Secret was written: its state, the ID of its key, and a warning for its clients.

    `renewed`: with a new key. `identity`: the ARN that issued it, if it is known.
    `changed_at_admission`: the labels and annotations that the API server returned with other
    values than were applied.
    """

    secret: SecretState
    key_id: str | None
    warning: str = ""
    renewed: bool = True
    identity: str = ""
    changed_at_admission: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbePending:
    """A new key was issued and does not work yet: it is probed again at that time."""

    failure: Failure
    again_at: datetime


class FormerState(enum.Enum):
    """The state of a Secret of a former name."""

    FOUND = "it is the grant's, and its uid is known now"
    CLEARED = "nothing of the grant is in it any more"
    FAILED = "it could not be cleared"
    FOREIGN = "its annotations do not name the grant"
    GONE = "there is none"


@dataclass(frozen=True, slots=True)
class FormerTended:
    """A Secret of a former name was checked; `message` says why it could not be cleared."""

    name: str
    state: FormerState
    uid: str | None = None
    message: str | None = None


JournalStep = (
    AddFinalizer
    | ListKeys
    | RecordIntent
    | ClearPending
    | Deactivate
    | Remove
    | Revoke
    | RemoveFinalizer
)
ReportStep = ReportLost | ReportDeletion
SecretStep = Issue | Rewrite | Relabel | TendFormer
Step = SecretStep | Pause | Reject | NoOp | Wait | Fail | Verify | Retire | ReportStep | JournalStep
Outcome = (
    Written
    | ProbePending
    | FormerTended
    | NoOp
    | Pause
    | Reject
    | Fail
    | Retire
    | ReportStep
    | RecordIntent
    | ClearPending
    | Remove
)
