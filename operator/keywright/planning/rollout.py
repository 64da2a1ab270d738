"""Which workloads are restarted next, after the data of a Secret has changed.

What must survive a restart of the operator is stored in the cluster: the grant's condition
RolloutProgressing says that a rollout is in progress, since when and for which workloads; each
workload says for which data and when it was last restarted. A workload that was annotated with the
hash of the data is not restarted again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keywright.api.durations import parse_duration
from keywright.api.errors import Failure
from keywright.api.grant import Rollout, WorkloadKind
from keywright.api.status import ConditionStatus
from keywright.planning.conditions import ROLLOUT_PROGRESSING
from keywright.planning.state import GrantState, SecretState

# The default time for a Deployment to make progress (`progressDeadlineSeconds`, 600).
PROGRESS_DEADLINE: Final = timedelta(minutes=10)
# Server-side apply writes its times in whole seconds, rounded down.
_WHOLE_SECOND: Final = timedelta(seconds=1)
_MIN_PAUSE: Final = timedelta(milliseconds=500)
_MAX_PAUSE: Final = timedelta(seconds=10)
_MAX_PAUSE_IF_UNAVAILABLE: Final = timedelta(minutes=5)
_SHARE: Final = 0.25


class Scope(enum.Enum):
    """Which of the named workloads are restarted; the values are reasons of RolloutProgressing.

    ALL run with other data. For a new Secret, or one whose data the status does not record, only
    workloads that are annotated with its hash (MARKED) are known to run with other data.
    """

    ALL = "SecretChanged"
    ANNOTATED = "SecretNew"


class Availability(enum.Enum):
    """The progress of a workload's pods since its last restart."""

    AVAILABLE = "available"
    COMING = "coming"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A workload: the data and time of its last restart, and the availability of its pods.

    `why` is the reason if it is not available.
    """

    kind: WorkloadKind
    name: str
    uid: str
    created_at: datetime
    mark: str | None = None
    restarted_at: datetime | None = None
    availability: Availability = Availability.AVAILABLE
    why: str = ""

    def __str__(self) -> str:
        """The workload as people would write it."""
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True)
class ActiveRollout:
    """A rollout: the hash of the data, its start, and its scope."""

    mark: str
    since: datetime
    scope: Scope

    def concerns(self, workload: WorkloadView) -> bool:
        """Whether a workload runs with other data; a younger one has started with the new data."""
        if workload.mark is None and self.scope is Scope.ANNOTATED:
            return False
        return workload.mark != self.mark and workload.created_at <= self.since


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What a process remembers of a rollout between two checks; any of it may be lost.

    `restarted` are the uids of the workloads that it restarted, the last one at `last`; `put_off`
    those that the API server refused to change, with the `refusal` of the last of them.
    """

    of: ActiveRollout
    due: datetime | None = None
    attempts: int = 0
    last: datetime | None = None
    restarted: frozenset[str] = frozenset()
    put_off: frozenset[str] = frozenset()
    refusal: Failure | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The `batch` to restart now, and the time of the next check; None if nothing remains.

    `restarted` of `concerned` workloads were restarted before this batch, `pending` are left
    including it. The `late` ones are not available after the progress deadline; from the `unmarked`
    ones another client has removed the hash.
    """

    again_at: datetime | None
    batch: tuple[WorkloadView, ...] = ()
    restarted: int = 0
    pending: frozenset[str] = frozenset()
    late: tuple[WorkloadView, ...] = ()
    unmarked: tuple[WorkloadView, ...] = ()

    @property
    def concerned(self) -> int:
        """The number of workloads in the rollout."""
        return self.restarted + len(self.pending)


def under_way(
    state: GrantState, secret: SecretState | None, *, now: datetime
) -> ActiveRollout | None:
    """The rollout of the data in `secret`, if the status says that it has begun."""
    grant, condition = state.grant, state.status.condition(ROLLOUT_PROGRESSING)
    if condition is None or condition.status is not ConditionStatus.TRUE or state.deleting:
        return None
    if grant is None or state.field_errors or grant.spec.suspend:
        return None
    if not grant.spec.rollout.restart or secret is None or not secret.data_hash:
        return None
    if secret.data_hash != state.recorded_data_hash:
        # Newer than what the status records: the rollout of that data has not begun yet.
        return None
    scope = Scope.ANNOTATED if condition.reason == Scope.ANNOTATED.value else Scope.ALL
    return ActiveRollout(secret.data_hash, condition.last_transition_time or now, scope)


def plan(
    seen: Iterable[WorkloadView], *, rollout: Rollout, course: RolloutState, now: datetime
) -> Plan:
    """The plan for this check, given the workloads in the order in which they are restarted.

    A batch begins when the one before it is available, or ten minutes later, and no earlier than
    `minInterval` after its last restart. A workload that stays unavailable does not block the
    others: its own strategy keeps its old pods, and the key of the others is about to expire.
    """
    seen = tuple(seen)
    of = course.of
    restarted = [each for each in seen if each.mark == of.mark or each.uid in course.restarted]
    done = {each.uid for each in restarted}
    pending = [each for each in seen if each.uid not in done and of.concerns(each)]
    coming = [each for each in restarted if each.availability is not Availability.AVAILABLE]
    late = tuple(each for each in coming if _is_late(each, of=of, now=now))
    last = course.last or _last_mark(restarted)
    again_at: datetime | None
    batch: list[WorkloadView] = []
    if len(late) < len(coming):
        again_at = now + _pause(now - (last or of.since), longest=_MAX_PAUSE)
    elif pending:
        again_at = max(now, _next_batch(course, rollout=rollout, last=last) or now)
        if again_at <= now:
            batch = [each for each in pending if each.uid not in course.put_off]
            again_at = now + _MIN_PAUSE
    elif late:
        again_at = now + _pause(now - (last or of.since), longest=_MAX_PAUSE_IF_UNAVAILABLE)
    else:
        again_at = None
    return Plan(
        again_at,
        batch=tuple(batch[: rollout.batch_size]),
        restarted=len(restarted),
        pending=frozenset(each.uid for each in pending),
        late=late,
        unmarked=tuple(each for each in restarted if each.mark != of.mark),
    )


def _is_late(workload: WorkloadView, *, of: ActiveRollout, now: datetime) -> bool:
    if workload.availability is Availability.STUCK:
        return True
    return now >= (workload.restarted_at or of.since) + PROGRESS_DEADLINE


def _last_mark(restarted: Iterable[WorkloadView]) -> datetime | None:
    return max((each.restarted_at for each in restarted if each.restarted_at), default=None)


def _next_batch(
    course: RolloutState, *, rollout: Rollout, last: datetime | None
) -> datetime | None:
    """The earliest start of the next batch; times read from workloads were cut to whole seconds."""
    if rollout.min_interval is None or last is None:
        return None
    interval = timedelta(seconds=parse_duration(rollout.min_interval))
    return last + interval if course.last else last + interval + _WHOLE_SECOND


def _pause(waited: timedelta, *, longest: timedelta) -> timedelta:
    return min(longest, max(_MIN_PAUSE, waited * _SHARE))
