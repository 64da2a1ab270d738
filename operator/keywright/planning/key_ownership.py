"""The managed keys that status and Secret record, and who owns the keys in the cloud.

The kind of a managed key must not change, but the spec can be edited, or become invalid, before the
grant is deleted. Its keys are then revoked by the kind, the IDs and the policy that are still
known. The owner of a key is the grant, one of its intents, no grant, or another cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from keywright.api.errors import Failure, FailureClass, FieldError
from keywright.api.grant import ApiKeyGrant, DeletionPolicy
from keywright.api.keys import KEY_TYPES, MANAGED_KINDS, KeyKind
from keywright.api.names import ANNOTATION_TAKE_OVER
from keywright.api.parsing import parse_grant
from keywright.api.status import GrantStatus, PendingCreate
from keywright.planning.state import CloudKey, GrantState
from keywright.secrets.ownership import Ownership


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
    found = KEY_TYPES[kind].spec_to_revoke(key_ids, spec.get(kind.value))
    return None if found is None else dict(found)


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


# An API that verifies signatures rejects a larger clock skew.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def owned_key_ids(state: GrantState) -> frozenset[str]:
    """The keys that are proved to be the grant's: in use, and retiring."""
    return recorded_key_ids(state) - state.unproved_ids


def recorded_key_ids(state: GrantState) -> frozenset[str]:
    """The keys that Secret and status name, proved or not."""
    secret, status = state.secret, state.status
    found: set[str | None] = {retiring.key_id for retiring in status.retiring}
    if status.kind in MANAGED_KINDS:
        found.add(status.key_id)
    if secret is not None and secret.ownership is Ownership.OWNED:
        found |= {secret.key_id, secret.replaces}
    return frozenset(key_id for key_id in found if key_id) - state.absent_ids


def orphaned_keys(state: GrantState) -> tuple[str, ...]:
    """The unknown keys that the cloud shows as issued for the grant; oldest first.

    They remain after a restore of an older state, or a crash. For a bulk import only when the grant
    is deleted: another import may already have taken over one that is in use.
    """
    grant = state.grant
    if grant is None or (grant.is_bulk_import and not state.deleting):
        return ()
    return unknown_keys(state)


def unknown_keys(state: GrantState) -> tuple[str, ...]:
    """As `orphaned_keys`, including the imports of a bulk import grant."""
    grant = state.grant
    if grant is None or grant.managed is None:
        return ()
    known = owned_key_ids(state) | state.others_ids
    strays = [key for key in state.listed or () if key.issued and key.id not in known]
    return tuple(key.id for key in sorted(strays, key=lambda key: (key.created_at, key.id)))


def checked_by_listing(state: GrantState) -> GrantState:
    """The state after a listing with the cloud's own tags: keys tagged as the grant's are proved.

    IDs that remain unproved are removed from the view of the Secret, so that they do not count.
    """
    marked = {key.id for key in state.listed or () if key.marked}
    unproved = state.unproved_ids - marked
    if not state.unproved_ids:
        return state
    secret = state.secret
    if secret is not None and unproved & {secret.key_id, secret.replaces}:
        secret = msgspec.structs.replace(
            secret,
            key_id=None if secret.key_id in unproved else secret.key_id,
            replaces=None if secret.replaces in unproved else secret.replaces,
        )
    return msgspec.structs.replace(state, secret=secret, unproved_ids=unproved)


def keys_of_intent(
    pending: PendingCreate, state: GrantState, *, listed: Iterable[CloudKey], known: frozenset[str]
) -> tuple[str, ...]:
    """The keys that an intent must have created: not in its baseline, without owner, of its time.

    If the cloud has no tag of the grant, the intent itself must be proved, and no other grant may
    be creating a key of the same user and service: otherwise the key may belong to that grant.
    """
    began = pending.started_at
    if began is None:
        return ()
    by_intent = not state.unproved_intent and not state.contested
    earliest, latest = began - _CLOCKS_DIFFER, began + state.delays.intent + _CLOCKS_DIFFER
    return tuple(
        key.id
        for key in listed
        if key.in_current_holder
        and key.id not in pending.baseline
        and key.id not in known
        and key.id not in state.others_ids
        and (key.marked or by_intent)
        and earliest <= key.created_at <= latest
    )


def listing_consistent_at(pending: PendingCreate, state: GrantState) -> datetime | None:
    """From when on a listing without the key of the intent is believed.

    The create may have been sent at the end of the intent's validity, and be listed with full
    delay.
    """
    return None if pending.started_at is None else pending.started_at + state.delays.unknown


OWNED_BY_ANOTHER_CLUSTER: Final = "OwnedByAnotherCluster"


def owned_elsewhere(state: GrantState) -> Failure | None:
    """Why keys that Secret or status name must not be touched; None if they are the grant's."""
    grant = state.grant
    if grant is None or grant.managed is None:
        return None
    identity = grant.known_as
    if not identity.owned_by_another_cluster:
        return None
    named = state.status.key_id or (state.secret.key_id if state.secret is not None else None)
    return owned_by_another_cluster(grant, what=f"the key {named or ''}".rstrip())


def owned_by_another_cluster(grant: ApiKeyGrant, *, what: str) -> Failure:
    """The failure to report for a key, a user or a plan that another cluster has tagged.

    The message repeats the ID of the other cluster only if Secret or status name it: knowing it is
    part of the authorization to take over its keys.
    """
    identity = grant.known_as
    cluster = identity.elsewhere or "CLUSTER_ID"
    where = f" {identity.elsewhere}" if identity.elsewhere else ""
    find = (
        ""
        if identity.elsewhere
        else " CLUSTER_ID is what `kubectl get namespace kube-system -o"
        " jsonpath={.metadata.uid}` prints in that cluster."
    )
    again = (
        " The annotation has been carried out before: remove it first."
        if grant.take_over and not identity.take_over
        else ""
    )
    return Failure(
        f"{what} belongs to this grant in another cluster{where}; it was left alone.",
        kind=FailureClass.CONFIGURATION,
        reason=OWNED_BY_ANOTHER_CLUSTER,
        field=f"metadata.annotations[{ANNOTATION_TAKE_OVER}]",
        remedy=(
            "If that cluster does not use it any more, take it over: kubectl annotate"
            f" --namespace={grant.namespace} apikeygrant {grant.name}"
            f" {ANNOTATION_TAKE_OVER}={cluster}.{find}{again} Otherwise give this grant another"
            " name, and delete its Secret."
        ),
        no_side_effect=True,
    )
