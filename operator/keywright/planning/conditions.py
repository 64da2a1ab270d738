"""Conditions by the conventions of kstatus and Flux.

Ready is always present. Reconciling and Stalled are present only while they apply, never both, and
never beside Ready=True. RenewalFailing, ProbeFailing, SecretConflict, SecretContested,
FormerSecretLeft and those of a rollout are abnormal-true in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from keywright.api.errors import Failure, FailureClass
from keywright.api.status import Condition, ConditionStatus, GrantStatus, SourceStatus
from keywright.planning.state import GrantState

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
RENEWAL_FAILING = "RenewalFailing"
PROGRESSING = "Progressing"
DELETING = "Deleting"
# Follows in the message of a failed revocation.
TRIED_UNTIL = " It is tried again"
SUSPENDED = "Suspended"
PROBE_FAILING = "ProbeFailing"
ROLLOUT_PROGRESSING = "RolloutProgressing"
ROLLOUT_FAILING = "RolloutFailing"
CLOCK_SKEWED = "ClockSkewed"
SECRET_CONFLICT = "SecretConflict"  # noqa: S105  the name of a condition type
SECRET_CONTESTED = "SecretContested"  # noqa: S105  the name of a condition type
FORMER_SECRET = "FormerSecretLeft"  # noqa: S105  the name of a condition type

# A refusal may be caused by eventual consistency in the cloud: it is retried this many times.
_PATIENT_ATTEMPTS = 5
MESSAGE_LIMIT = 4096


# Of a ready object, the most serious first.
_WARNINGS: Final = (
    RENEWAL_FAILING,
    PROBE_FAILING,
    SECRET_CONTESTED,
    ROLLOUT_FAILING,
    CLOCK_SKEWED,
    FORMER_SECRET,
)
_Status = TypeVar("_Status", GrantStatus, SourceStatus)


def with_state(status: _Status) -> _Status:
    """Return the status with `state`, which follows from its conditions."""
    state = _state(status.conditions)
    return status if state == status.state else msgspec.structs.replace(status, state=state)


def _state(conditions: Iterable[Condition]) -> str | None:
    """Return the one word for `kubectl get`; None without conditions.

    The reason of Ready if it is not True or if the grant is suspended, otherwise the most serious
    condition, otherwise Ready.
    """
    present = {condition.type: condition for condition in conditions}
    ready = present.get(READY)
    if ready is None:
        return None
    if ready.status is not ConditionStatus.TRUE or ready.reason == SUSPENDED:
        return ready.reason or None
    true = {each.type for each in present.values() if each.status is ConditionStatus.TRUE}
    return next((type_ for type_ in _WARNINGS if type_ in true), READY)


class ConditionWriter:
    """Builds the conditions of one object; an unchanged status keeps its transition time."""

    def __init__(self, previous: Iterable[Condition], *, generation: int, now: datetime) -> None:
        self._previous = {condition.type: condition for condition in previous}
        self._generation = generation
        self._now = now.replace(microsecond=0)

    def condition(self, type_: str, *, true: bool, reason: str, message: str) -> Condition:
        """Build one condition."""
        status = ConditionStatus.TRUE if true else ConditionStatus.FALSE
        previous = self._previous.get(type_)
        since = self._now
        if previous is not None and previous.status is status and previous.last_transition_time:
            since = previous.last_transition_time
        return Condition(
            type=type_,
            status=status,
            reason=reason,
            message=message[:MESSAGE_LIMIT],
            last_transition_time=since,
            observed_generation=self._generation,
        )

    def ready(self, *, reason: str, message: str) -> tuple[Condition, ...]:
        """The conditions of a ready object."""
        return (self.condition(READY, true=True, reason=reason, message=message),)

    def not_ready(
        self, failure: Failure, *, attempts: int, reason: str = "", message: str = ""
    ) -> tuple[Condition, ...]:
        """Ready=False, with Reconciling while it is retried, or Stalled if it needs an edit."""
        text = message or failure.message_with_remedy()
        conditions = [
            self.condition(READY, true=False, reason=reason or failure.reason, message=text)
        ]
        if _is_stalled(failure, attempts=attempts):
            conditions.append(
                self.condition(STALLED, true=True, reason=failure.reason, message=text)
            )
        else:
            conditions.append(
                self.condition(RECONCILING, true=True, reason="ProgressingWithRetry", message=text)
            )
        return tuple(conditions)

    def failing(self, failure: Failure) -> Condition:
        """RenewalFailing: the old key is still valid, but no new one can be issued."""
        return self.condition(
            RENEWAL_FAILING, true=True, reason=failure.reason, message=failure.message_with_remedy()
        )

    def probe_failing(self, failure: Failure) -> Condition:
        """ProbeFailing: a new key was issued, and does not work (yet)."""
        return self.condition(
            PROBE_FAILING, true=True, reason=failure.reason, message=failure.message_with_remedy()
        )


def condition_writer(state: GrantState, now: datetime) -> ConditionWriter:
    """A writer for conditions of this generation of a grant, based on the existing ones."""
    return ConditionWriter(state.status.conditions, generation=state.subject.generation, now=now)


def _is_stalled(failure: Failure, *, attempts: int) -> bool:
    match failure.kind:
        case FailureClass.CONFIGURATION | FailureClass.QUOTA:
            return True
        case FailureClass.DENIED:
            return attempts >= _PATIENT_ATTEMPTS
        case FailureClass.TRANSIENT | FailureClass.THROTTLED:
            return False
