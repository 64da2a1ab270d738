"""How a grant goes whose key lives in the cloud: with the key, or with a word on what is left."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keywright.api.grant import DeletionPolicy
from keywright.planning.backoff import retry_at
from keywright.planning.cloud_keys import (
    known_ids,
    listing_settles_at,
    lost_keys,
    stray_keys,
)
from keywright.planning.conditions import DELETING, READY, TRIED_UNTIL
from keywright.planning.facts import Facts, Fail, Look, Release, ReportDeletion, Revoke, Step, Wait
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.renewal import position

# Also where the operator was away for longer than the time that a revocation has.
LEAST_TRIES: Final = 6


def ending(facts: Facts, *, now: datetime) -> Step:
    """The next step of a grant that is being deleted and has our finalizer."""
    grant, known = facts.grant, known_ids(facts)
    if grant is None or grant.keeping is None:
        return Release(tuple(sorted(known)), why="its spec says no more whose key it is")
    if grant.spec.deletion_policy is DeletionPolicy.RETAIN:
        return Release()
    if grant.known_as.owned_by_another_cluster:
        # They stay in use there.
        return Release()
    if facts.listed is None:
        waiting = _waiting(facts, known, now=now)
        if waiting is not None:
            return waiting
    if facts.source is None:
        return Fail(facts.source_problem or _NO_SOURCE)
    if facts.listed is None:
        return Look(prepare=False)
    pending = facts.status.pending
    lost = stray_keys(facts)
    if pending is not None:
        lost = lost or lost_keys(pending, facts, listed=facts.listed, known=known)
        settles_at = listing_settles_at(pending, facts)
        if not lost and settles_at is not None and now < settles_at:
            return Wait(settles_at)
    return Revoke((*sorted(known), *lost))


def _waiting(facts: Facts, known: frozenset[str], *, now: datetime) -> Step | None:
    """The report, the pause after a try that failed, or the end of all tries."""
    if not _is_reported(facts):
        return ReportDeletion()
    tries = tries_to_end(facts)
    if not tries:
        return None
    why = _given_up(facts, tries=tries, now=now)
    if why:
        return Release(tuple(sorted(known)), why=why)
    until = retry_at(
        attempts=tries,
        last_failure=facts.status.last_failure_time or now,
        expires_at=None,
        position=position(facts.subject.uid),
    )
    gives_up_at = facts.gives_up_at
    if gives_up_at is not None and now < gives_up_at:
        # It goes at that time, even if the next try would come later.
        until = min(until, gives_up_at)
    return Wait(until) if not facts.impatient and now < until else None


def tries_to_end(facts: Facts) -> int:
    """How often the end has failed; the deletion is a generation of its own."""
    edited = facts.status.observed_generation != facts.subject.generation
    return 0 if edited else facts.status.failed_attempts


def _is_reported(facts: Facts) -> bool:
    ready = facts.status.condition(READY)
    return (
        ready is not None
        and ready.reason == DELETING
        and facts.status.observed_generation == facts.subject.generation
    )


def _given_up(facts: Facts, *, tries: int, now: datetime) -> str:
    gives_up_at = facts.gives_up_at
    if gives_up_at is not None and now < gives_up_at:
        return ""
    if tries < LEAST_TRIES:
        return ""
    told = facts.status.condition(READY)
    why = told.message.partition(TRIED_UNTIL)[0].strip() if told else ""
    return f"{tries} tries did not succeed: {why or 'no reason is known'}"


_NO_SOURCE: Final = Failure(
    "its CredentialSource is gone.", kind=FailureClass.RETRY, reason="SourceNotFound"
)
