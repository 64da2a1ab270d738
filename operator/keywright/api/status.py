"""Parsing of `.status`, which is not trusted.

Any client with write access to the status can store invalid values, and a restore from a backup may
omit parts of it. So an invalid value counts as absent, and parsing never raises.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from keywright.api.docs_links import without_link
from keywright.api.times import format_time, parse_time

_WIRE_TYPES = frozenset({str, int, bool})


class ConditionStatus(StrEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class StatusValue(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=False
):
    """A part of a status."""

    def to_body(self) -> dict[str, Any]:
        """The body of a merge patch: absent values are None, which removes them."""
        values = ((name, getattr(self, field)) for field, name in _wire_names(type(self)))
        # Most values are the same on the wire.
        return {
            name: value if value is None or type(value) in _WIRE_TYPES else _to_wire(value)
            for name, value in values
        }


class Condition(StatusValue, frozen=True):
    """One condition, as defined by Kubernetes."""

    type: str
    status: ConditionStatus
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    observed_generation: int | None = None


class PendingCreate(StatusValue, frozen=True):
    """The journal of a create in progress: the keys that existed before, and the intent's time.

    `proof`: proves that the operator itself wrote this. `request`: the value of the annotation that
    requested the renewal.
    """

    started_at: datetime | None = None
    baseline: tuple[str, ...] = ()
    proof: str | None = None
    request: str | None = None


class RetiringKey(StatusValue, frozen=True):
    """An old key, the time of its removal, and its expiry.

    `key_proof`: proves that the key was created for the grant.
    """

    key_id: str
    retire_at: datetime | None = None
    expires_at: datetime | None = None
    key_proof: str | None = None


class FormerSecret(StatusValue, frozen=True):
    """A Secret that the grant no longer uses after a change of `spec.secret.name`.

    `uid` is recorded before the Secret is cleared. `message`: why it could not be cleared.
    """

    name: str
    uid: str | None = None
    cleared: bool = False
    message: str | None = None


class SourceStatus(StatusValue, frozen=True):
    """The status of a CredentialSource."""

    conditions: tuple[Condition, ...] = ()
    state: str | None = None
    observed_generation: int = -1
    provider: str | None = None
    identity: str | None = None
    account_id: str | None = None
    expires_at: datetime | None = None
    renew_at: datetime | None = None
    failed_attempts: int = 0
    last_failure_time: datetime | None = None
    grants: int | None = None

    @classmethod
    def parse(cls, raw: object) -> "SourceStatus":
        """Parse the status, without invalid values; anything but a mapping is empty."""
        status = raw if isinstance(raw, Mapping) else {}
        return cls(
            conditions=_conditions(status.get("conditions")),
            state=_text(status.get("state")),
            observed_generation=_generation(status),
            provider=_text(status.get("provider")),
            identity=_text(status.get("identity")),
            account_id=_text(status.get("accountId")),
            expires_at=_time(status.get("expiresAt")),
            renew_at=_time(status.get("renewAt")),
            failed_attempts=_count(status.get("failedAttempts")) or 0,
            last_failure_time=_time(status.get("lastFailureTime")),
            grants=_count(status.get("grants")),
        )

    def condition(self, kind: str) -> Condition | None:
        """The condition of the type, if it is present."""
        return next((c for c in self.conditions if c.type == kind), None)


class GrantStatus(StatusValue, frozen=True):
    """The status of an ApiKeyGrant."""

    conditions: tuple[Condition, ...] = ()
    state: str | None = None
    observed_generation: int = -1
    kind: str | None = None
    secret_name: str | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    renew_at: datetime | None = None
    revision: int = 0
    key_id: str | None = None
    key_proof: str | None = None
    grant_id: str | None = None
    cluster_id: str | None = None
    object_uid: str | None = None
    grant_proof: str | None = None
    handled_take_over: str | None = None
    fingerprint: str | None = None
    pending: PendingCreate | None = None
    retiring: tuple[RetiringKey, ...] = ()
    failed_attempts: int = 0
    last_failure_time: datetime | None = None
    last_handled_reconcile_at: str | None = None
    former_secrets: tuple[FormerSecret, ...] = ()

    @classmethod
    def parse(cls, raw: object) -> "GrantStatus":
        """Parse the status, without invalid values; anything but a mapping is empty."""
        status = raw if isinstance(raw, Mapping) else {}
        return cls(
            conditions=_conditions(status.get("conditions")),
            state=_text(status.get("state")),
            observed_generation=_generation(status),
            kind=_text(status.get("kind")),
            secret_name=_text(status.get("secretName")),
            issued_at=_time(status.get("issuedAt")),
            expires_at=_time(status.get("expiresAt")),
            renew_at=_time(status.get("renewAt")),
            revision=_count(status.get("revision")) or 0,
            key_id=_text(status.get("keyId")),
            key_proof=_text(status.get("keyProof")),
            grant_id=_text(status.get("grantId")),
            cluster_id=_text(status.get("clusterId")),
            object_uid=_text(status.get("objectUid")),
            grant_proof=_text(status.get("grantProof")),
            handled_take_over=_text(status.get("handledTakeOver")),
            fingerprint=_text(status.get("fingerprint")),
            pending=_pending(status.get("pending")),
            retiring=_items(status.get("retiring"), parse=_retiring),
            failed_attempts=_count(status.get("failedAttempts")) or 0,
            last_failure_time=_time(status.get("lastFailureTime")),
            last_handled_reconcile_at=_text(status.get("lastHandledReconcileAt")),
            former_secrets=_items(status.get("formerSecrets"), parse=_former),
        )

    def condition(self, kind: str) -> Condition | None:
        """The condition of the type, if it is present."""
        return next((c for c in self.conditions if c.type == kind), None)


class Readiness(NamedTuple):
    """The part of a grant's status that metrics use; times in seconds since 1970."""

    ready: bool = False
    expires_at: float | None = None
    renew_at: float | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any], *, condition: str) -> "Readiness":
        """Parse this part as `GrantStatus.parse` does; `condition` is the type that means ready."""
        conditions = raw.get("conditions")
        status = next(
            (
                status
                for item in (conditions if isinstance(conditions, list) else ())
                if isinstance(item, Mapping)
                and item.get("type") == condition
                and (status := _STATUSES.get(_text(item.get("status")))) is not None
            ),
            None,
        )
        return cls(
            ready=status is ConditionStatus.TRUE,
            expires_at=_seconds(raw.get("expiresAt")),
            renew_at=_seconds(raw.get("renewAt")),
        )


_T = TypeVar("_T")


@cache
def _wire_names(kind: type[StatusValue]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(kind))


_STATUSES: Mapping[str | None, ConditionStatus] = {s.value: s for s in ConditionStatus}


def _items(raw: object, *, parse: Callable[[Mapping[str, Any]], _T | None]) -> tuple[_T, ...]:
    if not isinstance(raw, list):
        return ()
    parsed = (parse(item) for item in raw if isinstance(item, Mapping))
    return tuple(item for item in parsed if item is not None)


def _conditions(raw: object) -> tuple[Condition, ...]:
    return _items(raw, parse=_condition) if raw else ()


def _condition(raw: Mapping[str, Any]) -> Condition | None:
    kind = _text(raw.get("type"))
    status = _STATUSES.get(_text(raw.get("status")))
    if kind is None or status is None:
        return None
    return Condition(
        type=kind,
        status=status,
        reason=_text(raw.get("reason")) or "",
        message=without_link(_text(raw.get("message")) or ""),
        last_transition_time=_time(raw.get("lastTransitionTime")),
        observed_generation=_count(raw.get("observedGeneration")),
    )


def _pending(raw: object) -> PendingCreate | None:
    if not isinstance(raw, Mapping):
        return None
    started_at, baseline = _time(raw.get("startedAt")), raw.get("baseline")
    if started_at is None:
        # The operator always writes the time, which identifies the key.
        return None
    ids = baseline if isinstance(baseline, list) else []
    return PendingCreate(
        started_at=started_at,
        baseline=tuple(item for item in ids if isinstance(item, str)),
        proof=_text(raw.get("proof")),
        request=_text(raw.get("request")),
    )


def _retiring(raw: Mapping[str, Any]) -> RetiringKey | None:
    key_id = _text(raw.get("keyId"))
    if key_id is None:
        return None
    return RetiringKey(
        key_id=key_id,
        retire_at=_time(raw.get("retireAt")),
        expires_at=_time(raw.get("expiresAt")),
        key_proof=_text(raw.get("keyProof")),
    )


def _former(raw: Mapping[str, Any]) -> FormerSecret | None:
    name = _text(raw.get("name"))
    if name is None:
        return None
    return FormerSecret(
        name=name,
        uid=_text(raw.get("uid")),
        cleared=raw.get("cleared") is True,
        message=_text(raw.get("message")),
    )


def _generation(status: Mapping[str, Any]) -> int:
    generation = _count(status.get("observedGeneration"))
    return -1 if generation is None else generation


def _text(raw: object) -> str | None:
    return raw if isinstance(raw, str) and raw else None


def _count(raw: object) -> int | None:
    return raw if type(raw) is int and raw >= 0 else None


def _time(raw: object) -> datetime | None:
    if not isinstance(raw, str):
        return None
    try:
        return parse_time(raw)
    except ValueError:
        return None


def _seconds(raw: object) -> float | None:
    time = _time(raw)
    return None if time is None else time.timestamp()


def _to_wire(value: object) -> object:
    match value:
        case datetime():
            return format_time(value)
        case StrEnum():
            return value.value
        case tuple():
            return [_to_wire(item) for item in value]
        case StatusValue():
            return {key: item for key, item in value.to_body().items() if item is not None}
        case _:
            return value
