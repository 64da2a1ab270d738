"""Conditions by the rules of kstatus and Flux.

Ready is always there. Reconciling and Stalled are there only while they hold, never both, and
never beside Ready=True. RenewalFailing, ProbeFailing, SecretConflict, SecretContested,
FormerSecretLeft and those of a rollout are abnormal-true likewise.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from keywright.api.errors import Failure, FailureClass
from keywright.api.status import Condition, ConditionStatus

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
RENEWAL_FAILING = "RenewalFailing"
PROGRESSING = "Progressing"
DELETING = "Deleting"
# What follows in the message of a revocation that has failed.
TRIED_UNTIL = " It is tried again"
PROBE_FAILING = "ProbeFailing"
ROLLOUT_PROGRESSING = "RolloutProgressing"
ROLLOUT_FAILING = "RolloutFailing"
CLOCK_SKEWED = "ClockSkewed"
SECRET_CONFLICT = "SecretConflict"  # noqa: S105  the name of a condition
SECRET_CONTESTED = "SecretContested"  # noqa: S105  the name of a condition
FORMER_SECRET = "FormerSecretLeft"  # noqa: S105  the name of a condition

# A refusal may be news that has not spread through the cloud yet: so often it is simply repeated.
_PATIENT_ATTEMPTS = 5
_MESSAGE_LIMIT = 4096


class ConditionWriter:
    """Builds the conditions of one object; what did not change keeps its transition time."""

    def __init__(self, previous: Iterable[Condition], *, generation: int, now: datetime) -> None:
        self._previous = {condition.type: condition for condition in previous}
        self._generation = generation
        self._now = now.replace(microsecond=0)

    def condition(self, type_: str, *, true: bool, reason: str, message: str) -> Condition:
        """One condition."""
        status = ConditionStatus.TRUE if true else ConditionStatus.FALSE
        previous = self._previous.get(type_)
        since = self._now
        if previous is not None and previous.status is status and previous.last_transition_time:
            since = previous.last_transition_time
        return Condition(
            type=type_,
            status=status,
            reason=reason,
            message=message[:_MESSAGE_LIMIT],
            last_transition_time=since,
            observed_generation=self._generation,
        )

    def ready(self, *, reason: str, message: str) -> tuple[Condition, ...]:
        """All is well."""
        return (self.condition(READY, true=True, reason=reason, message=message),)

    def not_ready(
        self, failure: Failure, *, attempts: int, reason: str = "", message: str = ""
    ) -> tuple[Condition, ...]:
        """Ready=False, and whether it is being worked on (Reconciling) or needs a person."""
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
        """RenewalFailing: the old key lives, but no new one can be had."""
        return self.condition(
            RENEWAL_FAILING, true=True, reason=failure.reason, message=failure.message_with_remedy()
        )

    def probe_failing(self, failure: Failure) -> Condition:
        """ProbeFailing: a new key is made, and does not work (yet)."""
        return self.condition(
            PROBE_FAILING, true=True, reason=failure.reason, message=failure.message_with_remedy()
        )


def _is_stalled(failure: Failure, *, attempts: int) -> bool:
    match failure.kind:
        case FailureClass.CONFIGURATION | FailureClass.QUOTA:
            return True
        case FailureClass.DENIED:
            return attempts >= _PATIENT_ATTEMPTS
        case FailureClass.TRANSIENT | FailureClass.THROTTLED:
            return False
