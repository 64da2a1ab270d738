"""Why a source is not fine, from its object alone, as any client can read it."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.api.status import ConditionStatus, SourceStatus
from keywright.planning.conditions import CLOCK_SKEWED, READY, RENEWAL_FAILING
from keywright.planning.grant_summary import NOT_PROCESSED, PENDING


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """A problem of a source.

    `condition` is the type that reports it; empty if the operator has not processed the source.
    `reason` is the condition's reason, and `message` its message.
    """

    condition: str
    reason: str
    message: str

    @property
    def state(self) -> str:
        """The reason, with the type of the condition if that says more."""
        if self.condition in ("", READY, self.reason):
            return self.reason
        return f"{self.condition}, {self.reason}"


def source_problem(status: SourceStatus, *, generation: int) -> SourceProblem | None:
    """The most serious problem that the status shows; None if the source is fine."""
    ready = status.condition(READY)
    if ready is None:
        return SourceProblem("", PENDING, "The operator has not processed this source yet.")
    if status.observed_generation < generation:
        return SourceProblem(
            "", NOT_PROCESSED, "The operator has not processed the last change of this source yet."
        )
    if ready.status is not ConditionStatus.TRUE:
        return SourceProblem(READY, ready.reason or "NotReady", ready.message)
    for type_ in (RENEWAL_FAILING, CLOCK_SKEWED):
        found = status.condition(type_)
        if found is not None and found.status is ConditionStatus.TRUE:
            return SourceProblem(type_, found.reason or type_, found.message)
    return None
