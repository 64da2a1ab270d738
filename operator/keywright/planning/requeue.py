"""When a grant is reconciled again without any event."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keywright.planning.conditions import SECRET_CONFLICT, SECRET_CONTESTED
from keywright.planning.contest import over_at
from keywright.planning.decide import decide
from keywright.planning.renewal import renewal_begins
from keywright.planning.retirement import retirement_due
from keywright.planning.state import GrantState
from keywright.planning.steps import Issue, NoOp, Pause, Reject, Rewrite, Step, TendFormer, Wait
from keywright.secrets.ownership import Ownership

# How often a Secret of another owner is checked: no watch shows it.
_CONFLICT_PAUSE: Final = timedelta(minutes=1)
UNWATCHED_PAUSE: Final = timedelta(seconds=30)
"""How often a Secret outside the watch is read."""


def requeue_at(state: GrantState, step: Step, *, now: datetime) -> datetime | None:
    """When the grant is reconciled again without any event; None for never.

    `state` is the one after the step was carried out.
    """
    secret = state.secret
    due = [_after_step(state, step, now=now)]
    if secret is not None and secret.ownership is Ownership.OWNED and not secret.watched:
        due.append(now + UNWATCHED_PAUSE)
    if state.status.former_secrets:
        due.append(_former_due(state, now=now))
    if state.status.condition(SECRET_CONTESTED) is not None and state.contest is not None:
        due.append(max(over_at(state.contest), now))
    return _earliest(*due)


def _after_step(state: GrantState, step: Step, *, now: datetime) -> datetime | None:
    if isinstance(step, Wait | Pause):
        return step.until
    if isinstance(step, Reject) and step.failure.reason == SECRET_CONFLICT:
        return now + _CONFLICT_PAUSE
    if not isinstance(step, NoOp | Issue | Rewrite | Reject):
        # A step of the journal: the next one follows immediately.
        return now
    grant = state.grant
    if grant is not None and grant.spec.suspend and state.source_problem is None:
        # Without the finalizer there is no lookup that would advance that time.
        verify_at = state.verify_at if state.has_finalizer else None
        return _earliest(_expiry(state, now=now), verify_at)
    if grant is None or grant.spec.suspend or isinstance(step, Reject):
        return _expiry(state, now=now)
    if state.source_problem is not None:
        # Nothing can be done until the source changes, which requeues the grant.
        return _expiry(state, now=now)
    renewal = renewal_begins(grant, state.secret, now=now) if state.secret is not None else None
    if grant.managed is None:
        # Retiring keys in its status are forged, and reconciling would not help.
        return renewal
    resumed = now if state.status.pending is not None else None
    return _earliest(renewal, retirement_due(state), resumed, state.verify_at)


def _expiry(state: GrantState, *, now: datetime) -> datetime | None:
    """The expiry of a key that is not renewed, which must be reported in time."""
    secret = state.secret
    if secret is None or secret.expires_at is None or secret.expires_at <= now:
        return None
    return secret.expires_at


def _former_due(state: GrantState, *, now: datetime) -> datetime | None:
    """When a former Secret is checked; None if another event must precede it."""
    if isinstance(decide(state, now=now), TendFormer):
        return now
    later = state.former_due is not None and state.former_due > now
    return state.former_due if later else None


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
