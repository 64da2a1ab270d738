"""The create journal: how a managed key is created once, and never lost.

The steps of a create, each one pass of the reconcile, and each idempotent:

    finalizer    the grant cannot be removed without the operator
    baseline     the existing keys are listed
    intent       the status says that a key is about to be created; fails on a stale object
    create       one call, which the SDK never retries
    probe        if the grant specifies one, the key is probed until it works
    secret       the Secret holds the key, and its ID
    status       the status has the ID as well; the intent is closed, the old key retires
    deactivate   after the overlap, the old key is made inactive
    delete       and deleted

A create without a response is unknown, and so is an intent that this process has not just written.
Both are resolved by a listing: a key that is neither in the baseline nor known, and was created in
the time of the intent, belongs to the grant; its secret is lost, so it is deleted and another is
created. A listing may be stale: a key that it lacks counts as missing only after a delay.

If the cloud shows the owner of a key (`ManagedKeyPolicy.marked`), an unknown create is resumed: the
create of the same intent finds the key of the earlier one. Keys whose tags name the grant, and that
nothing else refers to, retire.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.status import PendingCreate
from keywright.planning.key_check import checked
from keywright.planning.key_ownership import (
    keys_of_intent,
    listing_consistent_at,
    orphaned_keys,
    owned_key_ids,
    unknown_keys,
)
from keywright.planning.retirement import next_retirement_step, retirement_time
from keywright.planning.state import GrantState, IssueReason
from keywright.planning.steps import (
    AddFinalizer,
    ClearPending,
    Fail,
    Issue,
    ListKeys,
    NoOp,
    RecordIntent,
    Remove,
    Retire,
    Rewrite,
    Step,
    Wait,
)


def next_journal_step(step: Issue | Rewrite | NoOp, state: GrantState, *, now: datetime) -> Step:
    """The step, or the step of the journal that precedes it."""
    grant = state.grant
    assert grant is not None
    if grant.managed is None:
        return step
    if not state.has_finalizer:
        return AddFinalizer()
    if state.pending_probe is not None and isinstance(step, Issue):
        return step
    unchecked = checked(step, state, now=now)
    if unchecked is not None:
        return unchecked
    if state.status.pending is not None and not intent_is_fresh(state, now=now):
        unsettled = _resume_create(step, state) or _recover_unknown_create(
            state.status.pending, state, now=now
        )
        if unsettled is not None:
            return unsettled
        if not isinstance(step, Issue):
            return ClearPending()
    return _settled(step, state, now=now)


def _settled(step: Issue | Rewrite | NoOp, state: GrantState, *, now: datetime) -> Step:
    """The step, or what precedes it if no intent is open."""
    match step:
        case Issue():
            return _before_creating(step, state, now=now)
        case NoOp():
            again = _imported_again(state)
            if again is not None:
                return _before_creating(again, state, now=now)
            return next_retirement_step(state, now=now) or _unknown(state) or step
        case Rewrite():
            retire = _unknown(state)
            if retire is not None:
                return retire
            # The new Secret must not lose an ID that the cloud can still prove.
            look = state.unproved_ids and state.listed is None and state.source_problem is None
            return ListKeys(prepare=False) if look else step


def _unknown(state: GrantState) -> Retire | None:
    """Retire keys that the cloud shows as the grant's, beside the one in use, and that are unknown.

    They remain after a restore of an older state: workloads may still use one of them.
    """
    return Retire() if orphaned_keys(state) else None


def _imported_again(state: GrantState) -> Issue | None:
    """Issue another import if the cloud shows an unknown one: its keys may be in use.

    The import takes over all keys of the file, and the unknown one retires with the rest.
    """
    grant = state.grant
    many = grant is not None and grant.is_bulk_import and state.status.pending is None
    return Issue(IssueReason.DRIFT) if many and unknown_keys(state) else None


def _resume_create(step: Issue | Rewrite | NoOp, state: GrantState) -> Issue | None:
    """The create of an open intent, if it may be repeated and no Secret holds its key yet.

    A bulk import is resumed key by key: it is completed even if the spec has changed since.
    """
    grant = state.grant
    assert grant is not None
    if grant.managed is None or not grant.managed.marked or _in_secret(state):
        return None
    if isinstance(step, Issue):
        return step
    return Issue(IssueReason.CHANGED) if grant.is_bulk_import else None


def intent_is_fresh(state: GrantState, *, now: datetime) -> bool:
    """Whether a key may be created by the open intent: written just now by this process, unused."""
    pending = state.status.pending
    return (
        state.intent_written_by_this_process
        and pending is not None
        and pending.started_at is not None
        and timedelta(seconds=-1) <= now - pending.started_at <= state.delays.intent
    )


def _recover_unknown_create(
    pending: PendingCreate, state: GrantState, *, now: datetime
) -> Step | None:
    """The step that an unknown intent requires; None if it certainly created nothing."""
    if _in_secret(state):
        return ClearPending()
    if state.listed is None:
        return ListKeys(prepare=False)
    lost = orphaned_keys(state) or keys_of_intent(
        pending, state, listed=state.listed, known=owned_key_ids(state)
    )
    if lost:
        return Remove(lost, lost=True)
    settles_at = listing_consistent_at(pending, state)
    return Wait(settles_at) if settles_at is not None and now < settles_at else None


def _in_secret(state: GrantState) -> bool:
    """Whether the Secret already holds the key of the pending intent."""
    secret, pending = state.secret, state.status.pending
    return (
        secret is not None
        and pending is not None
        and secret.key_id is not None
        and not secret.lost
        and secret.key_id != state.status.key_id
        and secret.key_id not in pending.baseline
    )


def _before_creating(mint: Issue, state: GrantState, *, now: datetime) -> Step:
    grant = state.grant
    assert grant is not None
    assert grant.managed is not None
    if intent_is_fresh(state, now=now):
        return mint
    if state.listed is None or state.unprepared:
        return ListKeys(prepare=True)
    served = state.secret is not None and state.secret.is_unexpired(now)
    # One that the cloud shows may be the only valid one: it retires once another is published.
    if served and (retire := _unknown(state)) is not None:
        return retire
    here = sorted(
        (key for key in state.listed if key.in_current_holder), key=lambda key: key.created_at
    )
    if len(here) < grant.managed.most:
        # Newest last: if the Secret is lost, that is the one to continue with.
        listed = sorted(state.listed, key=lambda key: (key.created_at, key.id))
        return RecordIntent(tuple(key.id for key in listed))
    known = owned_key_ids(state) | frozenset(orphaned_keys(state))
    in_use = _in_use(state)
    # An inactive key is of no use, even if the Secret holds it: an active one stays.
    dead = {key.id for key in here if not key.active and not grant.managed.marked}
    spare = [key.id for key in here if key.id in known and (key.id != in_use or key.id in dead)]
    if spare:
        spare.sort(key=lambda key_id: key_id not in dead)
        return _free_quota(spare[0], state, now=now)
    spared = known | state.others_ids | {in_use}
    unknown = [key.id for key in here if key.id not in spared]
    if unknown and grant.managed.exclusive:
        return Remove((unknown[0],))
    return Fail(_no_room(unknown, grant=grant))


def _free_quota(key_id: str, state: GrantState, *, now: datetime) -> Step:
    """Remove a retiring key early, but only if there is no valid key for clients meanwhile."""
    retiring = next((key for key in state.status.retiring if key.key_id == key_id), None)
    secret = state.secret
    served = secret is not None and secret.is_unexpired(now)
    at = retirement_time(retiring, state) if retiring is not None else None
    if served and at is not None and now < at:
        return Wait(at)
    return Remove((key_id,))


def _in_use(state: GrantState) -> str | None:
    secret = state.secret
    if secret is not None and secret.key_id is not None and not secret.lost:
        return secret.key_id
    return state.status.key_id


def _no_room(unknown: list[str], *, grant: ApiKeyGrant) -> Failure:
    assert grant.managed is not None
    field = f"spec.{grant.kind}"
    if not grant.managed.holder:
        return Failure(
            f"the cloud has {grant.managed.most} keys of this grant already, as many as a grant may"
            " have, and each is in use or its overlap is not over.",
            kind=FailureClass.QUOTA,
            reason="KeyLimitReached",
            field=field,
            remedy="Tried again when an overlap ends. Set a shorter overlap, or rotate less often.",
        )
    return Failure(
        f"the IAM user has {grant.managed.most} keys for {grant.key.service_title} already, all"
        " that IAM allows, and"
        f" this grant does not know {', '.join(unknown) or 'any of them'}.",
        kind=FailureClass.QUOTA,
        reason="KeyLimitReached",
        field=f"{field}.user",
        remedy=(
            f"Delete one of them, name another user, or set {field}.exclusive to true: the older"
            " one is then removed."
        ),
    )
