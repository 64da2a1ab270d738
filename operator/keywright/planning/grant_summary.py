"""A grant in one line: its state, whether that is fine, and what happens next and when.

Computed from the object alone, as any client can read it. What the operator cannot write about
itself is included: a key that has expired, or a renewal that is overdue, while it is not running.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.api.times import format_time
from keywright.planning.backoff import retry_at
from keywright.planning.conditions import (
    DELETING,
    PROGRESSING,
    READY,
    ROLLOUT_PROGRESSING,
    SECRET_CONFLICT,
    STALLED,
    SUSPENDED,
    with_state,
)
from keywright.planning.renewal import hash_fraction

EXPIRED: Final = "Expired"
PENDING: Final = "Pending"
NOT_PROCESSED: Final = "NotProcessed"
OVERDUE: Final = "RenewalOverdue"
SOURCE_FAILING: Final = "SourceFailing"
WAITS_FOR_SOURCE: Final = "waits for its source"
# The operator reconciles a grant with such a source when the source changes, without a timer.
_SOURCE_REASONS: Final = frozenset({"SourceNotFound", "SourceNotAllowed", "SourceInvalid"})
# A renewal begins within a second of its time; a busy operator may need longer.
_OVERDUE_AFTER: Final = timedelta(minutes=2)


class Health(enum.Enum):
    """Whether a person has to look at a grant."""

    FINE = "fine"
    WAITING = "waiting"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """The parts of a grant, other than its status, that its summary depends on."""

    uid: str
    generation: int
    suspended: bool
    deleting: bool
    has_windows: bool = False


@dataclass(frozen=True, slots=True)
class GrantSummary:
    """A grant in one line.

    `state` is that of the status, or what the operator could not report: Expired, NotProcessed,
    Pending or RenewalOverdue; or SourceFailing, from the status of the source. `message` says why a
    grant is not fine. `next_step` is a verb phrase, and `next_at` its time if it has one.
    """

    state: str
    health: Health
    message: str
    next_step: str
    next_at: datetime | None


def summarize(status: GrantStatus, facts: GrantFacts, *, now: datetime) -> GrantSummary:
    """Return the grant in one line."""
    state, health, message = _state(status, facts, now=now)
    next_step, next_at = _next(status, facts, now=now)
    return GrantSummary(
        state=state, health=health, message=message, next_step=next_step, next_at=next_at
    )


def with_failing_source(
    summary: GrantSummary, status: GrantStatus, *, problem: str, waits: bool
) -> GrantSummary:
    """The summary of a grant whose source does not work, for example while its key is valid.

    `problem` is a sentence. `waits`: the operator waits for the source to change, without a timer.
    A grant that fails itself, or is suspended or being deleted, keeps its state.
    """
    if summary.state in (SUSPENDED, DELETING):
        return summary
    if waits:
        summary = replace(summary, next_step=WAITS_FOR_SOURCE, next_at=None)
    if summary.health is not Health.FINE:
        return summary
    until = status.expires_at
    valid = "does not expire" if until is None else f"is valid until {format_time(until)}"
    message = f"{problem} The key {valid}, and cannot be renewed until the source works."
    return replace(summary, state=SOURCE_FAILING, health=Health.FAILING, message=message)


def is_ready(status: GrantStatus) -> bool:
    """Whether the condition Ready is True."""
    return _is_true(status.condition(READY))


def _state(status: GrantStatus, facts: GrantFacts, *, now: datetime) -> tuple[str, Health, str]:
    ready = status.condition(READY)
    if ready is None:
        return PENDING, Health.WAITING, "The operator has not processed this grant yet."
    if facts.deleting:
        failing = Health.FAILING if status.failed_attempts else Health.WAITING
        return DELETING, failing, ready.message
    if not _is_true(ready):
        waiting = ready.reason == PROGRESSING and not status.failed_attempts
        return (
            ready.reason or "NotReady",
            Health.WAITING if waiting else Health.FAILING,
            (ready.message),
        )
    if status.expires_at is not None and status.expires_at <= now:
        return (
            EXPIRED,
            Health.FAILING,
            ("The key has expired, and the operator did not report it: check that it is running."),
        )
    reported = with_state(status).state or READY
    found = status.condition(reported if reported != READY else SECRET_CONFLICT)
    if reported != SUSPENDED and _is_true(found) and found is not None:
        return found.type, Health.FAILING, found.message
    if facts.generation > status.observed_generation:
        return (
            NOT_PROCESSED,
            Health.WAITING,
            ("The operator has not processed the last change of this grant yet."),
        )
    if ready.reason == SUSPENDED or facts.suspended:
        return SUSPENDED, Health.FINE, ready.message
    if _is_overdue(status, now=now):
        return (
            OVERDUE,
            Health.FAILING,
            (
                "The key was due for renewal, and neither renewed nor reported as failing:"
                " check that the operator is running."
            ),
        )
    rollout = status.condition(ROLLOUT_PROGRESSING)
    return "Ready", Health.FINE, rollout.message if rollout and _is_true(rollout) else ""


def _next(status: GrantStatus, facts: GrantFacts, *, now: datetime) -> tuple[str, datetime | None]:
    if facts.deleting:
        return "revokes the key", None
    if facts.suspended:
        if status.expires_at is None:
            return "nothing: suspended", None
        return ("expired" if status.expires_at <= now else "expires"), status.expires_at
    if any(each.reason in _SOURCE_REASONS for each in status.conditions):
        return WAITS_FOR_SOURCE, None
    if status.failed_attempts and status.last_failure_time is not None:
        due = retry_at(
            attempts=status.failed_attempts,
            last_failure=status.last_failure_time,
            expires_at=status.expires_at,
            position=hash_fraction(facts.uid),
        )
        return "retries", max(due, now)
    if _is_true(status.condition(STALLED)):
        return "waits for a change", None
    if not status.revision:
        return "issues the first key", None
    if status.renew_at is None:
        return ("nothing: does not expire" if status.expires_at is None else "expires"), (
            status.expires_at
        )
    if status.renew_at <= now and facts.has_windows:
        return "renews in its next window", None
    return ("renewal due" if status.renew_at <= now else "renews"), status.renew_at


def _is_overdue(status: GrantStatus, *, now: datetime) -> bool:
    return status.renew_at is not None and now - status.renew_at > _OVERDUE_AFTER


def _is_true(condition: Condition | None) -> bool:
    return condition is not None and condition.status is ConditionStatus.TRUE
