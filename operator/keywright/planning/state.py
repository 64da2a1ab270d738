"""The state of a grant at one moment, from which the next step is decided."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Self

from keywright.api.errors import Failure, FieldError
from keywright.api.grant import ApiKeyGrant
from keywright.api.schema import KeyIdentity
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


class KeyFault(enum.Enum):
    """What keeps the key of a Secret from working in the cloud.

    A generated value is not used again after its key was disabled: it may have leaked.
    """

    MISSING = "the cloud does not have it, or lists it as inactive"
    DISABLED = "disabled by hand, and its value was generated"
    NOT_ENABLED = "disabled, and its value is imported, or the operator itself disabled it"
    OUTSIDE_PLAN = "not in a usage plan of the grant"


_RECORDED: Final = tuple(field.name for field in fields(ManagedSecret))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretState(ManagedSecret):
    """The Secret of the grant's name, and what its metadata means for the grant.

    Of a Secret that the grant does not own, nothing else is known but its `owner` ("" for none),
    whether that grant keeps another Secret now (`left_behind`), and whether a grant has emptied it
    after a change of its Secret's name (`released`).

    `matches_spec`: the key is what grant and source describe now. `renewal_deadline`: the last
    moment to which a renewal window may delay the renewal. `lost`: the cloud has no such key
    that works; `fault` says why. `altered`: the fields that differ from what was applied,
    `taken_by` the field managers that own them now. `data_hash` is a keyed hash of the data,
    empty if unknown. `entry_count`: the number of keys in the Secret, which is one unless the
    grant imports many.
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
        """The state of a Secret that the grant owns, with what was found out about it."""
        known = {name: getattr(secret, name) for name in _RECORDED}
        return cls(**known, **judged)

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
    """The object that a status belongs to; it may be too wrong to be parsed any further."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class CloudKey:
    """A key as the cloud lists it. `here`: its holder is the one that the grant names now.

    `marked`: the cloud itself shows that it is the grant's, by our tag or by the key's value.
    `issued`: our tags say that this very key was issued for a grant of this name and cluster.
    `disabled_by_operator`: it is inactive because the grant said so.
    `parts`: how many keys an import has that goes by this one id.
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


@dataclass(frozen=True, slots=True)
class GrantState:
    """Everything about one grant at one moment.

    `grant` is None where its spec does not parse; `field_errors` then says why. `rival` names an
    older grant that keeps the Secret of the same name. `skip_backoff` is set where something
    outside the grant has changed for the better, so that a back-off need not be waited for.
    `is_substitute` is set where the source is not the one of the spec, but another one of the
    account that the keys of a deleted grant are in.

    Of the mint journal: `has_finalizer` where the grant cannot go without us, `listed` the keys
    that the cloud has listed just now, `unprepared` where their holder was not prepared before,
    `intent_written_by_this_process` where the pending intent was written just now by this process,
    which has created nothing since; `unreadable` where the key in the Secret cannot be read back.
    `imported` is a keyed digest of the value that the grant reads from a Secret. `key_identity` is
    what decides what its key IS, known with its source.

    Of the ids of keys in Secret and status, where tenants may write: `unproved_ids` are those that
    nothing proves to be the grant's; `unproved_intent` is set where the pending intent is not known
    to be ours. `others_ids` are the keys of the same holder that other grants have proved to be
    theirs, `contested` is set while one of them creates a key.

    `created_at`: when the grant was created, as the API server says. Of a key that lives in the
    cloud: `doubted` where nothing but the Secret says that its key is the one in use, or the
    status reports it as lost, so that the cloud must be asked before it is believed;
    `loss_reported` in the latter case; `suspected` where an inconclusive listing lacks it;
    `verify_at` when the key is next looked up in the cloud in any case; `absent_ids` the keys
    that a listing has shown not to exist. `delays`: how far the cloud's answers may lag.
    `revocation`: how long the revocation is tried, from `deleting_since` on.

    `pending_probe`: why a key was made that is what the grant wants now, and waits for its probe.
    `former_due`: when a former Secret is looked at again; None for at once. `contest`: the repairs
    of the Secret that others undo, while there are such. `recorded_data_hash`: the hash of the data
    that the status tells of; empty where it tells of none.
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
    key_identity: KeyIdentity | None = None
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
        """From when on a grant that is being deleted may go without its key being revoked."""
        since = self.deleting_since
        return None if since is None else since + self.revocation
