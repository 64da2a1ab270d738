"""Which changes of a status are worth an Event: for the worse, once, and the recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keywright.api.status import Condition, ConditionStatus, GrantStatus, SourceStatus
from keywright.planning.conditions import DELETING, PROGRESSING, READY, RENEWAL_FAILING

REVOCATION_FAILING: Final = "RevocationFailing"


@dataclass(frozen=True, slots=True)
class Event:
    """An Event to be: its reason in one word, its note for a person."""

    warning: bool
    reason: str
    note: str


def event_for(
    before: GrantStatus | SourceStatus, after: GrantStatus | SourceStatus
) -> Event | None:
    """The one Event that the change is worth, if any. The first success and renewals are none."""
    failing, was_failing = after.condition(RENEWAL_FAILING), before.condition(RENEWAL_FAILING)
    ready, was_ready = after.condition(READY), before.condition(READY)
    if ready is not None and ready.reason == DELETING:
        in_deletion = (
            was_ready is not None and was_ready.reason == DELETING and before.failed_attempts
        )
        failed = bool(after.failed_attempts) and not in_deletion
        if not failed:
            return None
        return Event(warning=True, reason=REVOCATION_FAILING, note=ready.message)
    if failing is not None and not _same(failing, was_failing):
        return Event(warning=True, reason="RenewalFailing", note=failing.message)
    if ready is not None and ready.reason == PROGRESSING:
        return None
    if ready is not None and _false(ready) and not _same(ready, was_ready):
        return Event(warning=True, reason=ready.reason, note=ready.message)
    troubled = was_failing is not None or (
        was_ready is not None and _false(was_ready) and was_ready.reason != PROGRESSING
    )
    if troubled and failing is None and ready is not None and not _false(ready):
        return Event(warning=False, reason="Recovered", note=ready.message)
    return None


def _same(condition: Condition, earlier: Condition | None) -> bool:
    return (
        earlier is not None
        and earlier.status is condition.status
        and earlier.reason == condition.reason
    )


def _false(condition: Condition) -> bool:
    return condition.status is not ConditionStatus.TRUE
