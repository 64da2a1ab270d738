"""How late a key was renewed: from its planned time, or from the end of a suspension if later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keywright.planning.conditions import READY, SUSPENDED
from keywright.planning.state import GrantState
from keywright.planning.steps import Issue, Outcome, Step, Written


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds after the planned time, negative if before it, and from that time to the expiry."""

    late: float
    margin: float | None


def resumed_since(state: GrantState, *, known: datetime | None, now: datetime) -> datetime | None:
    """Since when the grant is no longer suspended, if no key was issued since; `known` as before.

    Its status still says Suspended when it is decided for the first time after that.
    """
    grant, ready = state.grant, state.status.condition(READY)
    if grant is not None and grant.spec.suspend:
        return None
    if known is None and ready is not None and ready.reason == SUSPENDED:
        return now
    return known


def renewal_lateness(
    state: GrantState,
    step: Step,
    outcome: Outcome | None,
    *,
    resumed_at: datetime | None,
    now: datetime,
) -> Lateness | None:
    """How late the replaced key was renewed, whatever the cause; None if none was replaced."""
    secret = state.secret
    if not isinstance(step, Issue) or not isinstance(outcome, Written) or secret is None:
        return None
    planned, end = secret.renew_at, secret.expires_at
    if planned is None:
        return None
    # The user asked for the wait of a suspension.
    due = planned if resumed_at is None else max(planned, resumed_at)
    return Lateness(
        late=(now - due).total_seconds(),
        margin=(end - planned).total_seconds() if end is not None else None,
    )
