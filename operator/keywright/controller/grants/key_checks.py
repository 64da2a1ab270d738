"""The results of lookups of the keys in use, and the time of the next lookup of each."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import MANAGED_KINDS
from keywright.controller.context import Context
from keywright.controller.key_records import KeyCheck
from keywright.planning.key_check import is_loss_reported, shown_from
from keywright.planning.renewal import hash_fraction
from keywright.planning.state import CloudKey, GrantState, KeyFault, SecretState
from keywright.planning.triggers import carried_out
from keywright.secrets.ownership import Ownership

# After a failed lookup.
_RETRY = timedelta(minutes=5)
# Faults that a listing of keys cannot show to be repaired.
_SEEN_BY_LOOKUPS = frozenset({KeyFault.NOT_ENABLED, KeyFault.OUTSIDE_PLAN})


def add_to(context: Context, state: GrantState) -> GrantState:
    """The state with doubts, losses and the time of the next lookup."""
    secret = state.secret
    if state.grant is None or state.grant.managed is None:
        return state
    check = _of(context, state.subject.uid)
    if secret is None or secret.ownership is not Ownership.OWNED or not secret.revision:
        return state
    if check is None or secret.key_id is None:
        return state
    agreed = _is_agreed(context, state, secret)
    if state.listed is not None:
        _see(context, check, state, secret, agreed=agreed)
    lost = check.lost == secret.key_id
    unknown = not lost and check.shown != secret.key_id
    if unknown and agreed and not check.unconfirmed and is_loss_reported(state.status):
        check.unconfirmed, check.verify_at = True, context.clock()
    return msgspec.structs.replace(
        state,
        secret=msgspec.structs.replace(secret, lost=lost, fault=check.fault),
        absent_ids=frozenset({secret.key_id} if lost and check.absent else ()),
        doubted=unknown and (check.unconfirmed or not agreed),
        loss_reported=unknown and check.unconfirmed and not check.suspect,
        suspected=not lost and agreed and check.suspect,
        verify_at=check.verify_at,
    )


def verify_at(context: Context, state: GrantState) -> datetime | None:
    """When the key of the grant is looked up next; None for never."""
    if state.grant is None or state.grant.managed is None:
        return None
    check = _of(context, state.subject.uid)
    return None if check is None else check.verify_at


def issued(context: Context, uid: str, key_id: str | None) -> None:
    """The cloud has just created that key; None for one that is not managed."""
    if key_id is None:
        return
    check = _of(context, uid)
    if check is not None:
        _shown(check, key_id)
        _put_off(context, check, uid)


def lookup_failed(context: Context, uid: str) -> None:
    """Look up the key again soon."""
    check = _of(context, uid)
    if check is not None:
        check.verify_at = context.clock() + min(_RETRY, context.key_times.interval or _RETRY)


def looked_up(context: Context, state: GrantState, fault: KeyFault | None) -> None:
    """Record what a lookup found to be wrong with the key, if anything."""
    uid, secret = state.subject.uid, state.secret
    check = _of(context, uid)
    if check is None or secret is None or secret.key_id is None:
        return
    settles_at = shown_from(secret, state, now=context.clock())
    if fault in _SEEN_BY_LOOKUPS and not secret.matches_spec:
        # Compared with plans and a file that the key is not for: the grant is suspended, and the
        # edit waits. A loss from before the edit remains.
        fault = check.fault if check.lost == secret.key_id else None
    if fault is None:
        _shown(check, secret.key_id)
        _put_off(context, check, uid)
    elif settles_at is not None:
        check.verify_at = settles_at
    elif fault is KeyFault.MISSING and check.lost == secret.key_id:
        # Known already, and not repaired: the grant is suspended.
        _put_off(context, check, uid)
    elif fault is KeyFault.MISSING:
        # Another listing, made now, decides.
        check.suspect, check.shown = True, None
    else:
        _lose(check, secret.key_id, fault)
        _put_off(context, check, uid)


def _of(context: Context, uid: str) -> KeyCheck | None:
    record = context.store.grants.get(uid)
    if record is None:
        return None
    if record.check is None:
        record.check = KeyCheck()
        if context.key_times.interval:
            record.check.verify_at = context.clock() + context.key_times.spread * hash_fraction(uid)
    return record.check


def _see(
    context: Context, check: KeyCheck, state: GrantState, secret: SecretState, *, agreed: bool
) -> None:
    """Record what a fresh listing shows about the key in the Secret."""
    grant, key_id = state.grant, secret.key_id
    assert grant is not None
    assert grant.managed is not None
    assert key_id is not None
    found = next((key for key in state.listed or () if key.id == key_id), None)
    whole = found is not None and found.parts >= secret.entry_count
    fault = _fault(found, state, grant) if found is not None and whole else KeyFault.MISSING
    if fault is None:
        if check.lost == key_id and check.fault in _SEEN_BY_LOOKUPS:
            return
        suspect = check.suspect
        _shown(check, key_id)
        if not grant.managed.marked:
            _put_off(context, check, state.subject.uid)
        elif suspect:
            # Usage plans are still to be checked, by a more recent listing.
            lookup_failed(context, state.subject.uid)
        return
    reachable = _is_reachable(context, state, key_id)
    if found is None and agreed and not reachable:
        # A session of another account cannot show anything about it.
        _shown(check, key_id)
        _put_off(context, check, state.subject.uid)
    elif whole or shown_from(secret, state, now=context.clock()) is None:
        _lose(check, key_id, fault, absent=found is None and reachable)
        _put_off(context, check, state.subject.uid)
    else:
        check.suspect = True


def _lose(check: KeyCheck, key_id: str, fault: KeyFault, *, absent: bool = False) -> None:
    check.lost, check.fault, check.absent = key_id, fault, absent
    check.suspect, check.unconfirmed, check.shown = False, False, None


def _shown(check: KeyCheck, key_id: str) -> None:
    check.shown, check.lost, check.absent = key_id, None, False
    check.suspect, check.unconfirmed = False, False


def _put_off(context: Context, check: KeyCheck, uid: str) -> None:
    """Schedule the next lookup after the interval."""
    if context.key_times.interval:
        # Spread, so that lookups do not stay synchronized.
        share = 1.0 - hash_fraction(uid) / 10
        check.verify_at = context.clock() + context.key_times.interval * share
    else:
        check.verify_at = None


def _is_reachable(context: Context, state: GrantState, key_id: str) -> bool:
    """Whether the key belongs to the account of the source.

    For the source of another tenant, which a deletion uses instead, this is unknown: only a removal
    shows it.
    """
    if state.is_substitute:
        return False
    grant = state.grant
    source = context.store.sources.get(grant.source_key) if grant is not None else None
    account = source.status.account_id if source is not None else None
    return account is None or key_id.startswith(f"{account}/")


def _is_agreed(context: Context, state: GrantState, secret: SecretState) -> bool:
    """Whether the status of this object records the same key."""
    status, grant = state.status, state.grant
    return (
        grant is not None
        and status.kind in MANAGED_KINDS
        and status.kind == grant.kind.value
        and status.key_id == secret.key_id
        and status.revision == secret.revision
        and status.fingerprint == secret.fingerprint
        and context.proofs.is_of_this_object(state.subject, status, grant)
    )


def _fault(found: CloudKey, state: GrantState, grant: ApiKeyGrant) -> KeyFault | None:
    """Why a listed key does not work, as far as the listing shows it.

    A tag in the cloud says whether the operator disabled the key because the spec said so. If the
    spec has changed since, the pending edit enables the key. The status of a suspended grant does
    not show whether an edit was carried out.
    """
    key = grant.key
    if found.active:
        return None
    if not isinstance(key, ApiGatewayKey):
        return KeyFault.MISSING
    if any(each.key_id == found.id for each in state.status.retiring):
        # An old key is disabled before it is deleted.
        return KeyFault.MISSING
    # The rows of a file say which of its keys are enabled: a lookup compares them.
    if not key.enabled or key.csv_from is not None:
        return None
    waits = grant.spec.suspend or not carried_out(grant, state.status)
    if found.disabled_by_operator and waits:
        return None
    kept = found.disabled_by_operator or key.imports is not None
    return KeyFault.NOT_ENABLED if kept else KeyFault.DISABLED
