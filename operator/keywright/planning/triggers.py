"""What triggers a new key or a write of the Secret: the first match of TRIGGERS decides.

Failures, a missing source, suspension and the create journal do not count here: see `decide`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from keywright.api.grant import ApiKeyGrant, is_handled
from keywright.api.status import GrantStatus
from keywright.api.times import parse_time
from keywright.planning.conditions import READY
from keywright.planning.renewal import renewal_begins
from keywright.planning.retirement import previous_is_retired
from keywright.planning.state import GrantState, IssueReason
from keywright.planning.steps import Issue, NoOp, Rewrite
from keywright.secrets.ownership import Ownership

Trigger = Callable[[GrantState, datetime], Issue | Rewrite | None]

# The clock skew that AWS and the services behind SigV4 allow into the future.
_CLOCK_TOLERANCE: Final = timedelta(minutes=5)


def required_write(state: GrantState, *, now: datetime) -> Issue | Rewrite | NoOp:
    """The write that the Secret needs; NoOp if it needs none."""
    for trigger in TRIGGERS:
        step = trigger(state, now)
        if step is not None:
            return step
    return NoOp()


def probe_pending(state: GrantState, _: datetime) -> Issue | None:
    """A new key was issued, and has not passed its probe yet."""
    return Issue(state.pending_probe) if state.pending_probe is not None else None


def key_unreadable(state: GrantState, _: datetime) -> Issue | None:
    """The key in the Secret cannot be read back, so it cannot be written again."""
    return Issue(IssueReason.DRIFT) if state.unreadable else None


def key_lost(state: GrantState, _: datetime) -> Issue | None:
    """The cloud has no such key, or it does not work."""
    lost = state.secret is not None and state.secret.lost
    return Issue(IssueReason.LOST) if lost else None


def secret_missing(state: GrantState, _: datetime) -> Issue | None:
    """There is no Secret, or none that the operator has written a key to."""
    if state.secret is not None and state.secret.revision:
        return None
    return Issue(IssueReason.MISSING if state.status.revision else IssueReason.NEW)


def secret_adopted(state: GrantState, _: datetime) -> Issue | None:
    """The Secret has no owner, and the grant adopts it."""
    unowned = state.secret is not None and state.secret.ownership is Ownership.UNOWNED
    return Issue(IssueReason.NEW) if unowned else None


def key_changed(state: GrantState, _: datetime) -> Issue | None:
    """Grant and source describe another key; unknown without a source."""
    source, secret = state.source, state.secret
    changed = source is not None and secret is not None and not secret.matches_spec
    return Issue(IssueReason.CHANGED) if changed else None


def key_expired(state: GrantState, now: datetime) -> Issue | None:
    """The key in the Secret has expired."""
    expired = state.secret is not None and not state.secret.is_unexpired(now)
    return Issue(IssueReason.EXPIRED) if expired else None


def issued_in_future(state: GrantState, now: datetime) -> Issue | None:
    """The key was signed while the clock was ahead: the cloud rejects it until then.

    A key that is created in the cloud is valid from its creation, regardless of the clock.
    """
    issued_at = state.secret.issued_at if state.secret is not None else None
    managed = state.grant is not None and state.grant.managed is not None
    if managed or issued_at is None or issued_at <= now + _CLOCK_TOLERANCE:
        return None
    return Issue(IssueReason.CLOCK)


def old_copy(state: GrantState, _: datetime) -> Issue | None:
    """An old copy of the Secret was put back: its key may have been replaced because it leaked.

    After a crash between the two writes the Secret is newer than the status, not older. For a
    managed key, a listing shows which keys exist.
    """
    grant, secret, status = state.grant, state.secret, state.status
    if grant is None or secret is None or grant.managed is not None:
        return None
    recorded = status.secret_name == grant.secret_name and status.fingerprint != secret.fingerprint
    return Issue(IssueReason.DRIFT) if recorded and secret.revision < status.revision else None


def requested(state: GrantState, _: datetime) -> Issue | None:
    """An annotation of the grant requests a renewal."""
    asked = state.grant is not None and renewal_requested(state.grant, state)
    return Issue(IssueReason.REQUESTED) if asked else None


def renewal_due(state: GrantState, now: datetime) -> Issue | None:
    """The renewal begins now, at its time and in its window."""
    grant, secret = state.grant, state.secret
    if grant is None or secret is None:
        return None
    due = renewal_begins(grant, secret, now=now)
    return Issue(IssueReason.DUE) if due is not None and now >= due else None


def secret_changed(state: GrantState, _: datetime) -> Rewrite | None:
    """Another manager has changed fields of the Secret."""
    altered = state.secret is not None and state.secret.altered
    return Rewrite(IssueReason.DRIFT) if altered else None


def spec_changed(state: GrantState, _: datetime) -> Rewrite | None:
    """The grant was edited since the Secret was written; the key stays."""
    edited = state.grant is not None and not carried_out(state.grant, state.status)
    return Rewrite(IssueReason.SPEC) if edited else None


def previous_retired(state: GrantState, _: datetime) -> Rewrite | None:
    """The Secret still contains the value of an old key that was retired; the key stays.

    It can wait for a source that is unusable: the old key is of no use any more.
    """
    usable = state.source is not None and state.source_problem is None
    return Rewrite(IssueReason.PREVIOUS) if usable and previous_is_retired(state) else None


TRIGGERS: Final[tuple[Trigger, ...]] = (
    probe_pending,
    key_unreadable,
    key_lost,
    secret_missing,
    secret_adopted,
    key_changed,
    key_expired,
    issued_in_future,
    old_copy,
    requested,
    renewal_due,
    secret_changed,
    spec_changed,
    previous_retired,
)


def renewal_requested(grant: ApiKeyGrant, state: GrantState) -> bool:
    """Whether an annotation requests a renewal that has not happened yet.

    A request whose value the Secret records, or that is not newer than the key in it (in whole
    seconds), has been answered: a restore from a backup, or a value that replaces a newer one,
    brings such an annotation back, and must not issue a key.
    """
    request = grant.renewal_request
    if request is None or request == state.status.last_handled_reconcile_at:
        return False
    if state.secret is not None and is_handled(request, state.secret.handled_requests):
        return False
    issued_at = state.secret.issued_at if state.secret else None
    try:
        return issued_at is None or parse_time(request) >= issued_at
    except ValueError:
        return True


def carried_out(grant: ApiKeyGrant, status: GrantStatus) -> bool:
    """Whether the Secret was written by the spec of this generation.

    A failure has observed the generation as well, and leaves Ready at the one carried out.
    """
    ready = status.condition(READY)
    return status.observed_generation == grant.generation and (
        ready is None or ready.observed_generation in (None, grant.generation)
    )
