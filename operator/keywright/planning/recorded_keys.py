"""The kind of key that was created for a grant, whatever its spec says now.

The kind of a managed key must not change, but the spec can be edited, or become invalid, before the
grant is deleted. Its keys are then revoked by the kind, the IDs and the policy that are still
known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keywright.api.errors import FieldError
from keywright.api.grant import ApiKeyGrant, DeletionPolicy
from keywright.api.keys import MANAGED_KINDS, KeyKind
from keywright.api.parsing import parse_grant
from keywright.api.status import GrantStatus


def recorded_kind(status: GrantStatus) -> KeyKind | None:
    """The kind of the keys that were created in the cloud; None if the status names no key."""
    created = status.key_id or status.retiring or status.pending
    return KeyKind(status.kind) if created and status.kind in MANAGED_KINDS else None


def recorded_account(status: GrantStatus) -> str | None:
    """The account of the key in use, or of an old key; None if the status names none."""
    return next((key_id.partition("/")[0] for key_id in _ids(status)), None)


def key_spec(
    kind: KeyKind, key_ids: Iterator[str], spec: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The part of a spec that revoking keys of a kind needs; None if the IDs do not give it.

    `spec` is the spec of the grant, of which any part can be missing or invalid.
    """
    if kind is KeyKind.API_GATEWAY_KEY:
        # Plans that were created for the grant are found by their tags.
        return {"usagePlan": {"id": "unknown"}}
    for key_id in key_ids:
        user, _, credential = key_id.partition("/")[2].partition("/")
        if user and credential:
            return {**_user_and_exclusive(spec.get(kind.value), user), "rotateEvery": "30d"}
    return None


def _user_and_exclusive(found: object, name: str) -> dict[str, Any]:
    """Whether the user is an existing one, if the spec still says so, and whether it is exclusive.

    Otherwise the tags of the user decide whether it was created for the grant.
    """
    key = found if isinstance(found, Mapping) else {}
    held = key.get("user")
    if not isinstance(held, Mapping) or held.get("name") != name:
        return {"user": {"name": name}}
    user: dict[str, Any] = {"name": name, "create": held.get("create", True) is True}
    if isinstance(held.get("path"), str):
        user["path"] = held["path"]
    return {"user": user, "exclusive": key.get("exclusive") is True}


def grant_to_revoke(
    body: Mapping[str, Any], status: GrantStatus, parsed: ApiKeyGrant | list[FieldError]
) -> ApiKeyGrant | list[FieldError]:
    """The grant by the kind of the keys that were created; `parsed` if its spec still says so.

    A spec of another kind, or one that does not parse, is replaced by what is still valid in it:
    the source, the name of the Secret, and the deletion policy. Also `parsed` if the source does
    not parse either.
    """
    kind = recorded_kind(status)
    if kind is None or (isinstance(parsed, ApiKeyGrant) and parsed.kind is kind):
        return parsed
    spec = body.get("spec")
    if not isinstance(spec, Mapping):
        return parsed
    key = key_spec(kind, _ids(status), spec)
    if key is None:
        return parsed
    left: dict[str, Any] = {"sourceRef": _source_ref(spec.get("sourceRef")), kind.value: key}
    if status.secret_name is not None:
        left["secret"] = {"name": status.secret_name}
    if spec.get("deletionPolicy") == DeletionPolicy.RETAIN.value:
        left["deletionPolicy"] = DeletionPolicy.RETAIN.value
    found = parse_grant({**body, "spec": left})
    return found if isinstance(found, ApiKeyGrant) else parsed


def _source_ref(found: object) -> object:
    """The reference without unknown fields."""
    if not isinstance(found, Mapping):
        return found
    return {name: found[name] for name in ("name", "namespace") if name in found}


def _ids(status: GrantStatus) -> Iterator[str]:
    if status.key_id:
        yield status.key_id
    for key in status.retiring:
        yield key.key_id
    if status.pending is not None:
        yield from status.pending.baseline
