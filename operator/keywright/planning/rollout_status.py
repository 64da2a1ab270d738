"""The rollout in the status: when one begins, its progress, and its failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import Workload
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.conditions import ROLLOUT_FAILING, ROLLOUT_PROGRESSING, ConditionWriter
from keywright.planning.events import Event
from keywright.planning.rollout import Plan, RolloutState, Scope, WorkloadView
from keywright.planning.state import GrantState, SecretState

_TYPES = frozenset({ROLLOUT_PROGRESSING, ROLLOUT_FAILING})
_NAMED = 5


@dataclass(frozen=True, slots=True)
class RolloutNotDue:
    """A rollout is in progress, and is checked at that time."""

    again_at: datetime


@dataclass(frozen=True, slots=True)
class RolloutProgress:
    """A rollout was checked: the next check if it is not over, the progress, and any failure.

    `restarted` of `concerned` workloads; both are 0 if they could not be read.
    """

    again_at: datetime | None
    restarted: int = 0
    concerned: int = 0
    failure: Failure | None = None


RolloutUpdate = RolloutNotDue | RolloutProgress


def with_rollout(
    status: GrantStatus,
    state: GrantState,
    *,
    written: SecretState | None,
    kept: bool,
    news: RolloutUpdate | None,
    now: datetime,
) -> GrantStatus:
    """The status with the rollout; `written` and `kept` as for `begins`.

    A rollout begins with the status that records other data than the one before.
    """
    others = tuple(each for each in status.conditions if each.type not in _TYPES)
    shown = _conditions(state, written=written, kept=kept, news=news, now=now)
    return msgspec.structs.replace(status, conditions=(*others, *shown))


def begins(state: GrantState, *, written: SecretState | None, kept: bool) -> Scope | None:
    """The scope of a rollout that begins now; None if none begins.

    `written` is what was written to the Secret; `kept` is set if the Secret was found up to date.
    """
    grant, before = state.grant, state.secret
    if grant is None or not grant.spec.rollout.restart:
        return None
    holds = before if kept else written
    if holds is None or not holds.data_hash or holds.data_hash == state.recorded_data_hash:
        return None
    if state.recorded_data_hash:
        return Scope.ALL
    # The status records no data: the Secret is new or adopted, or the status was lost.
    if written is not None:
        return (
            Scope.ANNOTATED
            if before is None or before.data_hash == written.data_hash
            else Scope.ALL
        )
    taken_over = grant.spec.secret.adopt and holds.revision == 1
    return Scope.ALL if taken_over else Scope.ANNOTATED


def is_rolling(status: GrantStatus) -> bool:
    """Whether a status says that a rollout is in progress."""
    progress = status.condition(ROLLOUT_PROGRESSING)
    return progress is not None and progress.status is ConditionStatus.TRUE


def rollout_is_owed(state: GrantState) -> bool:
    """Whether the status must still begin the rollout of the Secret's data."""
    return begins(state, written=None, kept=True) is not None


def rollout_notice(
    before: GrantStatus, after: GrantStatus, *, news: RolloutUpdate | None
) -> Event | None:
    """The Event for a change: a failure, or the end of a rollout of changed data."""
    failing, was_failing = after.condition(ROLLOUT_FAILING), before.condition(ROLLOUT_FAILING)
    if failing is not None:
        if was_failing is not None and was_failing.reason == failing.reason:
            return None
        return Event(warning=True, reason=ROLLOUT_FAILING, note=failing.message)
    was_progress = before.condition(ROLLOUT_PROGRESSING)
    if was_progress is None or was_progress.reason != Scope.ALL.value:
        return None
    if not isinstance(news, RolloutProgress) or news.again_at is not None or not news.concerned:
        return None
    return Event(
        warning=False, reason="RolloutCompleted", note=_progress(news, after.secret_name or "")
    )


def rollout_failure(
    outlook: Plan,
    course: RolloutState,
    *,
    missing: tuple[tuple[int, Workload], ...] = (),
    unknown: tuple[tuple[int, Workload], ...] = (),
) -> Failure | None:
    """The failure to report for a rollout in progress, the most severe first.

    `missing` are names that do not exist, with their index in the spec, `unknown` targets of a kind
    that the cluster does not serve.
    """
    if course.refusal is not None:
        return course.refusal
    if outlook.late:
        return Failure(
            f"not available after the restart: {_listed(outlook.late)}.",
            kind=FailureClass.TRANSIENT,
            reason="WorkloadUnavailable",
            field="spec.rollout.restart",
            remedy="See `kubectl rollout status`; the other workloads are restarted all the same.",
        )
    if outlook.unmarked:
        return Failure(
            f"another client removes the restart annotation from {_listed(outlook.unmarked)}.",
            kind=FailureClass.CONFIGURATION,
            reason="MarkRemoved",
            field="spec.rollout.restart",
            remedy="Let your GitOps tool leave annotations restarted-for.keywright.dev/* alone.",
        )
    if unknown and course.of.scope is Scope.ALL:
        place, workload = unknown[0]
        return Failure(
            f"this cluster knows no kind {workload.kind.value}: Argo Rollouts is not installed.",
            kind=FailureClass.CONFIGURATION,
            reason="WorkloadKindUnknown",
            field=f"spec.rollout.restart[{place}].kind",
            remedy=(
                "Install it, or remove the entry; the other workloads are restarted all the same."
            ),
        )
    if missing and course.of.scope is Scope.ALL:
        place, workload = missing[0]
        return Failure(
            f"there is no {workload.kind.value} {workload.name} in the grant's namespace.",
            kind=FailureClass.CONFIGURATION,
            reason="WorkloadNotFound",
            field=f"spec.rollout.restart[{place}].name",
            remedy="Correct the name, or remove it.",
        )
    return None


def _conditions(
    state: GrantState,
    *,
    written: SecretState | None,
    kept: bool,
    news: RolloutUpdate | None,
    now: datetime,
) -> tuple[Condition, ...]:
    grant, generation = state.grant, state.subject.generation
    held = tuple(each for each in state.status.conditions if each.type in _TYPES)
    if grant is None:
        return held
    if not grant.spec.rollout.restart:
        return ()
    scope = begins(state, written=written, kept=kept)
    if scope is not None:
        # Nothing of a superseded rollout is kept, especially not its start.
        name = grant.secret_name
        message = (
            f"The data of Secret {name} is new; workloads that run with other data are sought."
        )
        writer = ConditionWriter((), generation=generation, now=now)
        return (
            writer.condition(ROLLOUT_PROGRESSING, true=True, reason=scope.value, message=message),
        )
    progress = next((each for each in held if each.type == ROLLOUT_PROGRESSING), None)
    if isinstance(news, RolloutProgress):
        writer = ConditionWriter(held, generation=generation, now=now)
        return tuple(_after_look(news, progress, writer, name=grant.secret_name))
    if progress is not None:
        return held
    # The message of the last rollout stays until the grant is edited.
    return tuple(each for each in held if each.observed_generation == generation)


def _after_look(
    news: RolloutProgress, progress: Condition | None, writer: ConditionWriter, *, name: str
) -> Iterator[Condition]:
    if news.again_at is not None and progress is not None:
        yield writer.condition(
            ROLLOUT_PROGRESSING,
            true=True,
            reason=progress.reason,
            message=_progress(news, name) or progress.message,
        )
    if news.failure is not None:
        yield writer.condition(
            ROLLOUT_FAILING,
            true=True,
            reason=news.failure.reason,
            message=news.failure.message_with_remedy(),
        )


def _progress(news: RolloutProgress, name: str) -> str:
    done = f"{news.restarted} of {news.concerned} workloads"
    return f"{done} have been restarted for Secret {name}." if news.concerned else ""


def _listed(workloads: tuple[WorkloadView, ...]) -> str:
    named = [f"{each} ({each.why})" if each.why else str(each) for each in workloads[:_NAMED]]
    more = len(workloads) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
