"""Which workloads are restarted next, after the data of a Secret has changed.

What must survive stands in the cluster: that a rollout is under way, since when and of whom, in the
grant's condition RolloutProgressing; which workload was restarted, for which data and when, in the
workload itself. A restart leaves a mark in it: a workload that has the mark is not restarted again.
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

# What a Deployment is given by default to make progress (`progressDeadlineSeconds`, 600).
PROGRESS_DEADLINE: Final = timedelta(minutes=10)
# Server-side apply writes its times in whole seconds, cut.
_WHOLE_SECOND: Final = timedelta(seconds=1)
_SHORTEST: Final = timedelta(milliseconds=500)
_LONGEST: Final = timedelta(seconds=10)
_LONGEST_IF_LATE: Final = timedelta(minutes=5)
_SHARE: Final = 0.25


class Scope(enum.Enum):
    """Which of the named workloads are restarted; the values are reasons of RolloutProgressing.

    ALL runs with other data. Of a Secret that is new, or of which the status tells nothing, only
    those are known to run with other data that carry the MARK of it.
    """

    ALL = "SecretChanged"
    MARKED = "SecretNew"


class Availability(enum.Enum):
    """How far the pods of a workload have come since its last restart."""

    AVAILABLE = "available"
    COMING = "coming"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A workload: the data that it was last restarted for and when, and how its pods are.

    `why` says what is missing where it is not available.
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
        """As a person would call it."""
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True)
class ActiveRollout:
    """A rollout: the mark of the data that it brings, since when, and to whom."""

    mark: str
    since: datetime
    scope: Scope

    def concerns(self, workload: WorkloadView) -> bool:
        """Whether a workload runs with other data; a younger one has begun with the new."""
        if workload.mark is None and self.scope is Scope.MARKED:
            return False
        return workload.mark != self.mark and workload.created_at <= self.since


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What a process remembers of a rollout between two looks; any of it may be lost.

    `restarted` are the uids of those that it restarted, the last at `last`; `put_off` of those that
    the API server refused to change, with the `refusal` of the last of them.
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
    """The `batch` to restart now, and when to look again; None: nothing is left to be done.

    `restarted` of `concerned` workloads were restarted before this batch, `pending` are left with
    it. `late` ones are not available in spite of patience; of `unmarked` ones somebody has removed
    our mark.
    """

    again_at: datetime | None
    batch: tuple[WorkloadView, ...] = ()
    restarted: int = 0
    pending: frozenset[str] = frozenset()
    late: tuple[WorkloadView, ...] = ()
    unmarked: tuple[WorkloadView, ...] = ()

    @property
    def concerned(self) -> int:
        """How many workloads the rollout is about."""
        return self.restarted + len(self.pending)


def under_way(
    state: GrantState, secret: SecretState | None, *, now: datetime
) -> ActiveRollout | None:
    """The rollout of what `secret` holds, where the status says that it has begun."""
    grant, condition = state.grant, state.status.condition(ROLLOUT_PROGRESSING)
    if condition is None or condition.status is not ConditionStatus.TRUE or state.deleting:
        return None
    if grant is None or state.field_errors or grant.spec.suspend:
        return None
    if not grant.spec.rollout.restart or secret is None or not secret.data_hash:
        return None
    if secret.data_hash != state.recorded_data_hash:
        # Newer than what the status tells of: the rollout of that has still to begin.
        return None
    scope = Scope.MARKED if condition.reason == Scope.MARKED.value else Scope.ALL
    return ActiveRollout(secret.data_hash, condition.last_transition_time or now, scope)


def plan(
    seen: Iterable[WorkloadView], *, rollout: Rollout, course: RolloutState, now: datetime
) -> Plan:
    """What to do at this look, given the workloads in the order in which they are restarted.

    A batch begins when that before it is available, or was waited for in vain for ten minutes, and
    no earlier than `minInterval` after its last restart. One that stays unavailable holds nobody
    else up: its own strategy keeps its old pods, and the key of the others is about to end.
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
        again_at = now + _pause(now - (last or of.since), longest=_LONGEST)
    elif pending:
        again_at = max(now, _next_batch(course, rollout=rollout, last=last) or now)
        if again_at <= now:
            batch = [each for each in pending if each.uid not in course.put_off]
            again_at = now + _SHORTEST
    elif late:
        again_at = now + _pause(now - (last or of.since), longest=_LONGEST_IF_LATE)
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
    """No earlier than this; what is read from the workloads was cut to whole seconds."""
    if rollout.min_interval is None or last is None:
        return None
    interval = timedelta(seconds=parse_duration(rollout.min_interval))
    return last + interval if course.last else last + interval + _WHOLE_SECOND


def _pause(waited: timedelta, *, longest: timedelta) -> timedelta:
    return min(longest, max(_SHORTEST, waited * _SHARE))
