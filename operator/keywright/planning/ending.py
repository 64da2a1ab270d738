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
from keywright.planning.conditions import READY, RENEWAL_FAILING
from keywright.planning.facts import Facts, Fail, Look, Release, Revoke, Step, Wait
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.renewal import position

# About half a minute of tries; a cloud that is only busy is given some minutes.
MOST_TRIES: Final = 6
MOST_THROTTLED_TRIES: Final = 10


def ending(facts: Facts, *, now: datetime) -> Step:
    """The next step of a grant that is being deleted and has our finalizer."""
    grant, known = facts.grant, known_ids(facts)
    if grant is None or grant.keeping is None:
        return Release(tuple(sorted(known)), why="its spec says no more whose key it is")
    if grant.spec.deletion_policy is DeletionPolicy.RETAIN:
        return Release()
    tries = tries_to_end(facts)
    if tries:
        why = _given_up(facts, tries=tries)
        if why:
            return Release(tuple(sorted(known)), why=why)
        until = retry_at(
            attempts=tries,
            last_failure=facts.status.last_failure_time or now,
            expires_at=None,
            position=position(facts.subject.uid),
        )
        if facts.listed is None and not facts.impatient and now < until:
            return Wait(until)
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


def tries_to_end(facts: Facts) -> int:
    """How often the end has failed; the deletion is a generation of its own."""
    edited = facts.status.observed_generation != facts.subject.generation
    return 0 if edited else facts.status.failed_attempts


def _given_up(facts: Facts, *, tries: int) -> str:
    told = facts.status.condition(RENEWAL_FAILING) or facts.status.condition(READY)
    throttled = told is not None and told.reason == "Throttled"
    if tries < (MOST_THROTTLED_TRIES if throttled else MOST_TRIES):
        return ""
    return f"{tries} tries did not succeed: {told.message if told else 'no reason is known'}"


_NO_SOURCE: Final = Failure(
    "its CredentialSource is gone.", kind=FailureClass.RETRY, reason="SourceNotFound"
)
