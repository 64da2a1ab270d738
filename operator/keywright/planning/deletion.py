"""Deletion of a grant with managed keys: revoke the keys, or report what is left."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import DeletionPolicy
from keywright.planning.backoff import retry_at
from keywright.planning.conditions import DELETING, READY, TRIED_UNTIL
from keywright.planning.key_ownership import (
    keys_of_intent,
    listing_consistent_at,
    orphaned_keys,
    owned_key_ids,
    recorded_key_ids,
)
from keywright.planning.renewal import hash_fraction
from keywright.planning.state import GrantState
from keywright.planning.steps import (
    Fail,
    ListKeys,
    RemoveFinalizer,
    ReportDeletion,
    Revoke,
    Step,
    Wait,
)

# The minimum number of attempts, even if the operator was down for the whole revocation period.
MIN_ATTEMPTS: Final = 6


def next_deletion_step(state: GrantState, *, now: datetime) -> Step:
    """The next step for a grant that is being deleted and has the finalizer."""
    grant, known = state.grant, owned_key_ids(state)
    if grant is None or grant.managed is None:
        return _without_kind(state, known, now=now)
    if grant.known_as.owned_by_another_cluster:
        # The other cluster still uses them.
        return RemoveFinalizer()
    if grant.spec.deletion_policy is DeletionPolicy.RETAIN:
        return _before_retaining(state, now=now) or RemoveFinalizer()
    if state.listed is None:
        waiting = _waiting(state, known, now=now)
        if waiting is not None:
            return waiting
    if state.source is None:
        return Fail(state.source_problem or _NO_SOURCE)
    if state.listed is None:
        return ListKeys(prepare=False)
    pending = state.status.pending
    lost = orphaned_keys(state)
    if pending is not None:
        lost = lost or keys_of_intent(pending, state, listed=state.listed, known=known)
        settles_at = listing_consistent_at(pending, state)
        if not lost and settles_at is not None and now < settles_at:
            return Wait(settles_at)
    return Revoke((*sorted(known), *lost))


def _without_kind(state: GrantState, known: frozenset[str], *, now: datetime) -> Step:
    """The step for a grant whose spec does not describe how to revoke its keys.

    Its author can still correct the spec, so it waits like any other revocation that fails.
    """
    if not known and state.status.pending is None:
        return RemoveFinalizer(why="its spec says no more whose key it is")
    return _waiting(state, known, now=now) or Fail(_NO_KIND)


def _before_retaining(state: GrantState, *, now: datetime) -> Step | None:
    """The listing that tags the keys as retained, so that a later grant of the name keeps them.

    The edit that set the policy may not have reached the tags: the grant was suspended, or deleted
    immediately. None if the keys are tagged, if no source can tag them, or after some attempts.
    """
    tries = deletion_attempts(state)
    if state.listed is not None or state.source is None or tries >= MIN_ATTEMPTS:
        return None
    if not recorded_key_ids(state) and state.status.pending is None:
        return None
    if tries and not state.skip_backoff and now < (until := _next_try(state, tries, now=now)):
        return Wait(until)
    return ListKeys(prepare=False)


def _next_try(state: GrantState, tries: int, *, now: datetime) -> datetime:
    return retry_at(
        attempts=tries,
        last_failure=state.status.last_failure_time or now,
        expires_at=None,
        position=hash_fraction(state.subject.uid),
    )


def _waiting(state: GrantState, known: frozenset[str], *, now: datetime) -> Step | None:
    """The report, the pause after a failed attempt, or the end of all attempts."""
    if not _is_reported(state):
        return ReportDeletion()
    tries = deletion_attempts(state)
    if not tries:
        return None
    why = _given_up(state, tries=tries, now=now)
    if why:
        return RemoveFinalizer(tuple(sorted(known)), why=why)
    until = _next_try(state, tries, now=now)
    gives_up_at = state.gives_up_at
    if gives_up_at is not None and now < gives_up_at:
        # The finalizer is removed at that time, even if the next attempt would be later.
        until = min(until, gives_up_at)
    return Wait(until) if not state.skip_backoff and now < until else None


def deletion_attempts(state: GrantState) -> int:
    """The number of failed deletion attempts; the deletion counts as a generation."""
    edited = state.status.observed_generation != state.subject.generation
    return 0 if edited else state.status.failed_attempts


def _is_reported(state: GrantState) -> bool:
    ready = state.status.condition(READY)
    return (
        ready is not None
        and ready.reason == DELETING
        and state.status.observed_generation == state.subject.generation
    )


def _given_up(state: GrantState, *, tries: int, now: datetime) -> str:
    gives_up_at = state.gives_up_at
    if gives_up_at is not None and now < gives_up_at:
        return ""
    if tries < MIN_ATTEMPTS:
        return ""
    ready = state.status.condition(READY)
    why = ready.message.partition(TRIED_UNTIL)[0].strip() if ready else ""
    return f"{tries} tries did not succeed: {why or 'no reason is known'}"


_NO_KIND: Final = Failure(
    "the spec does not say how the keys are revoked: it is invalid, or names another kind of key.",
    kind=FailureClass.CONFIGURATION,
    reason="KindChanged",
    field="spec",
    remedy="Correct the spec: it can be edited until the grant is gone.",
)
_NO_SOURCE: Final = Failure(
    "its CredentialSource is gone.", kind=FailureClass.TRANSIENT, reason="SourceNotFound"
)
