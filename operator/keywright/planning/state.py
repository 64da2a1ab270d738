"""The state of a grant at one moment, from which the next step is decided."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from keywright.api.errors import Failure, FieldError
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.api.status import GrantStatus
from keywright.planning.delays import REAL, Delays
from keywright.secrets.ownership import ManagedSecret, Ownership


class IssueReason(enum.Enum):
    """Why a Secret is written; the values are the label `reason` of `keywright_mint_total`."""

    NEW = "New"
    MISSING = "SecretMissing"
    CHANGED = "KeyChanged"
    EXPIRED = "Expired"
    REQUESTED = "Requested"
    DUE = "Due"
    DRIFT = "Drift"
    SPEC = "SpecChanged"
    CLOCK = "IssuedInFuture"
    LOST = "KeyLost"
    PREVIOUS = "OverlapEnded"


class KeyFault(enum.Enum):
    """Why the key of a Secret does not work in the cloud.

    A generated value is not used again after its key was disabled: it may have leaked.
    """

    MISSING = "the cloud does not have it, or lists it as inactive"
    DISABLED = "disabled by hand, and its value was generated"
    NOT_ENABLED = "disabled, and its value is imported, or the operator itself disabled it"
    OUTSIDE_PLAN = "not in a usage plan of the grant"


class SecretState(ManagedSecret, frozen=True, kw_only=True):
    """The Secret of the grant's name, and what its metadata means for the grant.

    For a Secret that the grant does not own, nothing else is known but its `owner` ("" for none),
    whether that grant now uses another Secret (`left_behind`), and whether a grant has cleared it
    after a change of its Secret's name (`released`).

    `matches_spec`: the key is what grant and source describe now. `renewal_deadline`: the last
    moment to which a renewal window may delay the renewal. `lost`: the cloud has no such key that
    works; `fault` is the reason. `altered`: the fields that differ from what was applied,
    `taken_by` the field managers that own them now. `data_hash` is a keyed hash of the data, empty
    if unknown. `entry_count`: the number of keys in the Secret, which is one unless the grant is a
    bulk import.
    """

    ownership: Ownership
    owner: str = ""
    left_behind: bool = False
    released: bool = False
    matches_spec: bool = False
    renewal_deadline: datetime | None = None
    lost: bool = False
    fault: KeyFault = KeyFault.MISSING
    altered: tuple[str, ...] = ()
    taken_by: tuple[str, ...] = ()
    data_hash: str = ""
    entry_count: int = 1

    @classmethod
    def of(cls, secret: ManagedSecret, **judged: Any) -> Self:
        """The state of a Secret that the grant owns, with the results of its evaluation."""
        return cls(**(msgspec.structs.asdict(secret) | judged))

    def is_unexpired(self, now: datetime) -> bool:
        """Whether the grant owns it and the key in it is valid."""
        return (
            self.ownership is Ownership.OWNED
            and self.revision > 0
            and not self.lost
            and (self.expires_at is None or now < self.expires_at)
        )


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """The object that a status belongs to; its spec may be invalid."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class CloudKey:
    """A key as the cloud lists it. `here`: its owner is the one that the grant names now.

    `marked`: the cloud itself shows that it is the grant's, by a tag or by the key's value.
    `issued`: the tags say that this very key was issued for a grant of this name and cluster.
    `disabled_by_operator`: it is inactive because the grant said so. `parts`: how many keys of an
    import share this ID.
    """

    id: str
    created_at: datetime
    active: bool = True
    in_current_holder: bool = True
    marked: bool = False
    issued: bool = False
    disabled_by_operator: bool = False
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Contest:
    """Repairs of the same fields of one Secret, which other field managers change again.

    Without `fields` (after a restart, as the status reports a contest) it is about any field.
    """

    repairs: int
    last_repair: datetime
    fields: frozenset[str] = frozenset()
    managers: frozenset[str] = frozenset()

    def is_about(self, fields: Iterable[str]) -> bool:
        """Whether one of these fields was repaired before."""
        return not self.fields or not self.fields.isdisjoint(fields)


class GrantState(msgspec.Struct, frozen=True):
    """The complete state of one grant at one moment.

    `grant` is None if its spec does not parse; `field_errors` has the errors. `rival` names an
    older grant that uses the Secret of the same name. `skip_backoff` is set if a dependency of the
    grant has recovered, so that the back-off does not apply. `is_substitute` is set if the
    source is not that of the spec, but another one of the account of a deleted grant's keys.

    Of the create journal: `has_finalizer` is set if the grant cannot be removed without the
    operator, `listed` are the keys of a listing in this reconcile, `unprepared` is set if their
    owner was not prepared before, `intent_written_by_this_process` if this process has just written
    the pending intent, and created nothing since; `unreadable` if the key in the Secret cannot be
    read back. `imported` is a keyed digest of the value that the grant reads from a Secret.
    `key_identity` is the hash of the facts that identify its key, known with its source.

    Of the key IDs in Secret and status, where tenants may write: `unproved_ids` are those that
    nothing proves to be the grant's; `unproved_intent` is set if the pending intent has no valid
    proof. `others_ids` are the keys of the same user that other grants have proved to be theirs,
    `contested` is set while one of them creates a key of the same service.

    `created_at`: the creation time from the API server. For a managed key: `doubted` is set if only
    the Secret says that its key is the one in use, or the status reports it as lost, so that it
    must be verified in the cloud first; `loss_reported` in the latter case; `suspected` if an
    inconclusive listing lacks it; `verify_at` is the time of the next lookup in any case;
    `absent_ids` are the keys that a listing has shown not to exist. `delays`: the propagation
    delays of the cloud. `revocation`: how long the revocation is attempted, from `deleting_since`
    on.

    `pending_probe`: why the issued key that waits for its probe was issued. `former_due`: when a
    former Secret is checked again; None for now. `contest`: the repairs of the Secret that other
    managers undo, if there are any. `recorded_data_hash`: the hash of the data that the status
    records; empty if it records none.
    """

    subject: ObjectRef
    status: GrantStatus
    grant: ApiKeyGrant | None = None
    field_errors: tuple[FieldError, ...] = ()
    source: CredentialSource | None = None
    source_problem: Failure | None = None
    is_substitute: bool = False
    secret: SecretState | None = None
    rival: str = ""
    skip_backoff: bool = False
    deleting: bool = False
    has_finalizer: bool = False
    listed: tuple[CloudKey, ...] | None = None
    unprepared: bool = False
    intent_written_by_this_process: bool = False
    unreadable: bool = False
    unproved_ids: frozenset[str] = frozenset()
    unproved_intent: bool = False
    others_ids: frozenset[str] = frozenset()
    contested: bool = False
    imported: str = ""
    key_identity: str | None = None
    pending_probe: IssueReason | None = None
    recorded_data_hash: str = ""
    created_at: datetime | None = None
    doubted: bool = False
    loss_reported: bool = False
    suspected: bool = False
    verify_at: datetime | None = None
    absent_ids: frozenset[str] = frozenset()
    delays: Delays = REAL
    deleting_since: datetime | None = None
    revocation: timedelta = timedelta(0)
    contest: Contest | None = None
    former_due: datetime | None = None

    @property
    def gives_up_at(self) -> datetime | None:
        """When a grant that is being deleted may be removed without its key being revoked."""
        since = self.deleting_since
        return None if since is None else since + self.revocation
