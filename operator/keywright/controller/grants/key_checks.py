"""What the cloud has shown of the keys in use, and when each of them is looked up next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.keys import MANAGED_KINDS
from keywright.controller.context import Context
from keywright.controller.records import KeyCheck
from keywright.planning.key_check import shown_from
from keywright.planning.renewal import hash_fraction
from keywright.planning.state import GrantState, SecretState
from keywright.secrets.ownership import Ownership

# After a lookup that failed.
_RETRY = timedelta(minutes=5)


def add_to(context: Context, state: GrantState) -> GrantState:
    """The facts with doubts, losses and the time of the next lookup."""
    secret = state.secret
    if state.grant is None or state.grant.managed is None:
        return state
    check = _of(context, state.subject.uid)
    state = replace(state, delays=context.key_times.delays, revocation=context.key_times.revocation)
    if secret is None or secret.ownership is not Ownership.OWNED or not secret.revision:
        return state
    if check is None or secret.key_id is None:
        return state
    agreed = _is_agreed(context, state, secret)
    if state.listed is not None:
        _see(context, check, state, secret, agreed=agreed)
    lost = check.lost == secret.key_id
    return replace(
        state,
        secret=replace(secret, lost=lost),
        absent_ids=frozenset({secret.key_id} if lost and check.absent else ()),
        doubted=not lost and not agreed and check.shown != secret.key_id,
        suspected=not lost and agreed and check.suspect,
        verify_at=check.verify_at,
    )


def issued(context: Context, uid: str, key_id: str | None) -> None:
    """The cloud has just made that key; None for one that does not live there."""
    if key_id is None:
        return
    check = _of(context, uid)
    if check is not None:
        _shown(context, check, uid, key_id)


def looked_up(context: Context, state: GrantState, *, found: bool | None) -> None:
    """A shared listing shows the key or not; None where it could not be had."""
    uid, secret = state.subject.uid, state.secret
    check = _of(context, uid)
    if check is None or secret is None or secret.key_id is None:
        return
    now = context.clock()
    settles_at = shown_from(secret, state, now=now)
    if found:
        _shown(context, check, uid, secret.key_id)
    elif found is None or settles_at is not None:
        check.verify_at = settles_at or now + min(_RETRY, context.key_times.interval)
    else:
        # Another listing, made now, decides.
        check.suspect, check.shown = True, None


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
    """What a listing that was made just now says of the key in the Secret."""
    grant, key_id = state.grant, secret.key_id
    assert grant is not None
    assert grant.managed is not None
    assert key_id is not None
    found = next((key for key in state.listed or () if key.id == key_id), None)
    whole = found is not None and found.parts >= secret.entry_count
    may_be_inactive = grant.managed.marked and (agreed or _is_disabled(state, key_id))
    if found is not None and whole and (found.active or may_be_inactive):
        _shown(context, check, state.subject.uid, key_id)
        return
    reachable = _is_reachable(context, state, key_id)
    if found is None and agreed and not reachable:
        # Nothing can be said of it by a session of another account.
        _shown(context, check, state.subject.uid, key_id)
    elif whole or shown_from(secret, state, now=context.clock()) is None:
        check.lost, check.absent = key_id, found is None and reachable
        check.suspect, check.shown = False, None
    else:
        check.suspect = True


def _shown(context: Context, check: KeyCheck, uid: str, key_id: str) -> None:
    check.shown, check.lost, check.absent, check.suspect = key_id, None, False, False
    if context.key_times.interval:
        # Not all at the same time for ever.
        share = 1.0 - hash_fraction(uid) / 10
        check.verify_at = context.clock() + context.key_times.interval * share


def _is_reachable(context: Context, state: GrantState, key_id: str) -> bool:
    """Whether the key is of the account that the source is known to be in."""
    grant = state.grant
    source = context.store.sources.get(grant.source_key) if grant is not None else None
    account = source.status.account_id if source is not None else None
    return account is None or key_id.startswith(f"{account}/")


def _is_agreed(context: Context, state: GrantState, secret: SecretState) -> bool:
    """Whether the status of this very object tells of the same key."""
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


def _is_disabled(state: GrantState, key_id: str) -> bool:
    """Whether the grant wants its key disabled; an old key is disabled before it is deleted."""
    grant = state.grant
    if grant is None or not isinstance(grant.key, ApiGatewayKey) or grant.key.enabled:
        return False
    return all(each.key_id != key_id for each in state.status.retiring)
