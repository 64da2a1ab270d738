"""Parsing of `.status`, which is not trusted.

Any client with write access to the status can store invalid values, and a restore from a backup may
omit parts of it. So an invalid value counts as absent, and parsing never raises.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from keywright.api.docs_links import without_link
from keywright.api.times import format_time, time_or_none

_WIRE_TYPES = frozenset({str, int, bool, type(None)})


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
        body: dict[str, Any] = {}
        for field, name in _wire_names(type(self)):
            value = getattr(self, field)
            # Most values are the same on the wire.
            if type(value) is datetime:
                body[name] = format_time(value)
            else:
                body[name] = value if type(value) in _WIRE_TYPES else _to_wire(value)
        return body


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
        return cls(**_scalars(cls, status), conditions=_conditions(status.get("conditions")))

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
            **_scalars(cls, status),
            conditions=_conditions(status.get("conditions")),
            pending=_pending(status.get("pending")),
            retiring=_items(status.get("retiring"), parse=_retiring),
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
        items = raw.get("conditions")
        found = (
            each["status"]
            for each in (items if isinstance(items, list) else ())
            if isinstance(each, Mapping)
            and each.get("type") == condition
            and isinstance(each.get("status"), str)
            and each["status"] in _STATUSES
        )
        return cls(
            ready=next(found, None) == ConditionStatus.TRUE,
            expires_at=_seconds(raw.get("expiresAt")),
            renew_at=_seconds(raw.get("renewAt")),
        )


_T = TypeVar("_T")


@cache
def _wire_names(kind: type[StatusValue]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(kind))


@cache
def _scalar_fields(kind: type[StatusValue]) -> tuple[tuple[str, str, type], ...]:
    """The fields of one text, number or time: name, name on the wire, and type."""
    found = ((each, (*get_args(each.type), each.type)[0]) for each in msgspec.structs.fields(kind))
    return tuple(
        (each.name, each.encode_name, type_)
        for each, type_ in found
        if type_ in {str, int, datetime}
    )


def _scalars(kind: type[StatusValue], raw: Mapping[str, Any]) -> dict[str, Any]:
    """The valid values of these fields."""
    found: dict[str, Any] = {}
    for field, name, type_ in _scalar_fields(kind):
        value = raw.get(name)
        if type_ is datetime:
            value = None if value is None else time_or_none(value)
        elif type_ is int:
            # A bool is an int.
            value = value if type(value) is int and value >= 0 else None
        elif not isinstance(value, str):
            value = None
        if value is not None and value != "":
            found[field] = value
    return found


_STATUSES: Mapping[str, ConditionStatus] = {s.value: s for s in ConditionStatus}


def _items(raw: object, *, parse: Callable[[Mapping[str, Any]], _T | None]) -> tuple[_T, ...]:
    if not isinstance(raw, list):
        return ()
    parsed = (parse(item) for item in raw if isinstance(item, Mapping))
    return tuple(item for item in parsed if item is not None)


def _conditions(raw: object) -> tuple[Condition, ...]:
    return _items(raw, parse=_condition) if raw else ()


def _condition(raw: Mapping[str, Any]) -> Condition | None:
    values, status = _scalars(Condition, raw), raw.get("status")
    known = _STATUSES.get(status) if isinstance(status, str) else None
    if "type" not in values or known is None:
        return None
    values["message"] = without_link(values.get("message", ""))
    return Condition(**values, status=known)


def _pending(raw: object) -> PendingCreate | None:
    values = _scalars(PendingCreate, raw) if isinstance(raw, Mapping) else {}
    if "started_at" not in values:
        # The operator always writes the time, which identifies the key.
        return None
    baseline = raw.get("baseline") if isinstance(raw, Mapping) else None
    ids = baseline if isinstance(baseline, list) else []
    return PendingCreate(**values, baseline=tuple(item for item in ids if isinstance(item, str)))


def _retiring(raw: Mapping[str, Any]) -> RetiringKey | None:
    values = _scalars(RetiringKey, raw)
    return RetiringKey(**values) if "key_id" in values else None


def _former(raw: Mapping[str, Any]) -> FormerSecret | None:
    values = _scalars(FormerSecret, raw)
    if "name" not in values:
        return None
    return FormerSecret(**values, cleared=raw.get("cleared") is True)


def _seconds(raw: object) -> float | None:
    time = time_or_none(raw)
    return None if time is None else time.timestamp()


def _to_wire(value: object) -> object:
    match value:
        case datetime():
            return format_time(value)
        case tuple():
            return [_to_wire(item) if isinstance(item, StatusValue) else item for item in value]
        case StatusValue():
            return {name: item for name, item in value.to_body().items() if item is not None}
        case _:
            return getattr(value, "value", value)
