"""Which workloads are restarted, in which order and how fast."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keywright.api.grant import Rollout, WorkloadKind
from keywright.planning.rollout import (
    PROGRESS_DEADLINE,
    ActiveRollout,
    Availability,
    Plan,
    RolloutState,
    Scope,
    WorkloadView,
    plan,
)
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon
from tests.unit.replace import replace

NEW, OLD = "new", "old"
ALL = ActiveRollout(NEW, NOON, Scope.ALL)
ANNOTATED = ActiveRollout(NEW, NOON, Scope.ANNOTATED)
COMING, STUCK = Availability.COMING, Availability.STUCK


def view(
    name: str,
    mark: str | None = OLD,
    *,
    at: float | None = None,
    availability: Availability = Availability.AVAILABLE,
    created: float = -3600,
) -> WorkloadView:
    """A Deployment, restarted so many seconds after noon."""
    return WorkloadView(
        WorkloadKind.DEPLOYMENT,
        name,
        uid=f"uid-{name}",
        created_at=noon(seconds=created),
        mark=mark,
        restarted_at=None if at is None else noon(seconds=at),
        availability=availability,
    )


def step_name(found: Plan) -> str:
    """A plan in a few words: which workloads it restarts, and when it is due again."""
    names = " ".join(each.name for each in found.batch)
    again = found.again_at
    return f"{names}, {'over' if again is None else (again - NOON).total_seconds()}"


@pytest.mark.parametrize(
    ("case", "seen", "seconds", "of", "expected"),
    [
        ("the first batch at once", [view("a"), view("b"), view("c")], 0, ALL, "a b, 0.5"),
        ("one that never was restarted", [view("a", None)], 0, ALL, "a, 0.5"),
        ("younger than the data", [view("a", None, created=1)], 9, ALL, ", over"),
        ("of a new Secret, unmarked", [view("a", None)], 0, ANNOTATED, ", over"),
        ("of a new Secret, marked by another", [view("a")], 0, ANNOTATED, "a, 0.5"),
        ("all done", [view("a", NEW, at=0)], 9, ALL, ", over"),
        ("no workload exists", [], 0, ALL, ", over"),
        (
            "the batch before is coming",
            [view("a", NEW, at=0, availability=COMING), view("b")],
            20,
            ALL,
            ", 25.0",
        ),
        (
            "the last batch is coming",
            [view("a", NEW, at=0, availability=COMING)],
            100,
            ALL,
            ", 110.0",
        ),
        ("too early, by whole seconds", [view("a", NEW, at=0), view("b")], 30, ALL, ", 31.0"),
        ("in time", [view("a", NEW, at=0), view("b")], 31, ALL, "b, 31.5"),
        (
            "waited for in vain",
            [view("a", NEW, at=0, availability=COMING), view("b")],
            600,
            ALL,
            "b, 600.5",
        ),
        (
            "stuck by its own word",
            [view("a", NEW, at=0, availability=STUCK), view("b")],
            60,
            ALL,
            "b, 60.5",
        ),
        (
            "only late ones are left",
            [view("a", NEW, at=0, availability=STUCK)],
            10_000,
            ALL,
            ", 10300.0",
        ),
        ("coming by itself", [view("a", availability=COMING)], 0, ALL, "a, 0.5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_look(
    case: str, seen: list[WorkloadView], seconds: float, of: ActiveRollout, expected: str
) -> None:
    """By two at a time, thirty seconds apart."""
    rollout = Rollout(batch_size=2, min_interval="30s")
    found = plan(seen, rollout=rollout, course=RolloutState(of), now=noon(seconds=seconds))
    assert step_name(found) == expected, case


def test_who_is_late_is_named() -> None:
    """The message names late workloads, and those whose annotation another client removes."""
    course = RolloutState(ALL, restarted=frozenset({"uid-b"}))
    seen = [view("a", NEW, at=0, availability=COMING), view("b"), view("c", NEW)]
    found = plan(seen, rollout=Rollout(), course=course, now=NOON + PROGRESS_DEADLINE)
    assert [each.name for each in found.late] == ["a"]
    assert [each.name for each in found.unmarked] == ["b"]
    assert (found.restarted, found.concerned) == (3, 3)


def test_what_was_refused_holds_nobody_up() -> None:
    """One that the API server refuses to change is delayed, and the others continue."""
    course = RolloutState(ALL, put_off=frozenset({"uid-a"}))
    found = plan([view("a"), view("b")], rollout=Rollout(), course=course, now=NOON)
    assert [each.name for each in found.batch] == ["b"]


@dataclass
class Cluster:
    """Workloads whose new pods take a while, and the process that restarts them."""

    views: list[WorkloadView]
    seconds: list[float]
    rollout: Rollout
    now: datetime = NOON
    course: RolloutState = field(default_factory=lambda: RolloutState(ALL))
    restarts: list[tuple[datetime, str]] = field(default_factory=list)

    def look(self, *, dies_after: int | None) -> bool:
        """One look; False where the rollout is over. The process may die within its batch."""
        found = plan(self.seen(), rollout=self.rollout, course=self.course, now=self.now)
        if found.again_at is None:
            return False
        assert found.again_at >= self.now
        for number, each in enumerate(found.batch):
            if number == dies_after:
                break
            self._restart(each)
        if dies_after is None:
            self.now = found.again_at
        else:
            self.course = RolloutState(ALL)
            self.now += timedelta(milliseconds=700)
        return True

    def seen(self) -> Iterable[WorkloadView]:
        """As the API server has them now."""
        at = {name: moment for moment, name in self.restarts}
        for each, seconds in zip(self.views, self.seconds, strict=True):
            since = at.get(each.name)
            ready = since is None or self.now >= since + timedelta(seconds=seconds)
            yield replace(each, availability=Availability.AVAILABLE if ready else COMING)

    def _restart(self, workload: WorkloadView) -> None:
        self.restarts.append((self.now, workload.name))
        index = next(i for i, each in enumerate(self.views) if each.name == workload.name)
        cut = self.now.replace(microsecond=0)
        self.views[index] = replace(self.views[index], mark=NEW, restarted_at=cut)
        self.course = replace(
            self.course, restarted=self.course.restarted | {workload.uid}, last=self.now
        )
        self.now += timedelta(milliseconds=15)


@settings(max_examples=60)
@given(
    marks=st.lists(st.sampled_from((OLD, None)), min_size=1, max_size=12),
    seconds=st.lists(st.sampled_from((0.0, 0.4, 3.0, 90.0, 5_000.0)), min_size=12, max_size=12),
    batch_size=st.integers(1, 5),
    interval=st.sampled_from((None, "1s", "30s")),
    deaths=st.lists(st.none() | st.integers(0, 3), max_size=30),
)
@example(marks=[OLD] * 5, seconds=[0.0] * 12, batch_size=3, interval="1s", deaths=[2])
@example(marks=[OLD] * 5, seconds=[3.0] * 12, batch_size=2, interval=None, deaths=[1, 1])
def test_order_and_pace_hold_and_each_is_restarted_once(
    *,
    marks: list[str | None],
    seconds: list[float],
    batch_size: int,
    interval: str | None,
    deaths: list[int | None],
) -> None:
    """Whatever the workloads take to come back, and wherever the process dies."""
    views = [view(f"{number:02}", mark) for number, mark in enumerate(marks)]
    rollout = Rollout(batch_size=batch_size, min_interval=interval)
    cluster = Cluster(list(views), seconds[: len(views)], rollout)
    left = list(deaths)
    for _ in range(5000):
        if not cluster.look(dies_after=left.pop() if left else None):
            break
    else:
        raise AssertionError("it never ends")
    assert [name for _, name in cluster.restarts] == [each.name for each in views]
    _check_pace(cluster, seconds, interval=interval)


def _check_pace(cluster: Cluster, seconds: list[float], *, interval: str | None) -> None:
    """Of two restarts that are not of one batch, the first is available, or ten minutes old."""
    wanted = {None: 0.0, "1s": 1.0, "30s": 30.0}[interval]
    batch: list[datetime] = []
    for moment, name in cluster.restarts:
        one_batch = bool(batch) and moment - batch[-1] < timedelta(milliseconds=100)
        if not one_batch:
            assert not batch or moment - batch[-1] >= timedelta(seconds=wanted)
            for earlier, other in cluster.restarts:
                if earlier < moment:
                    took = min(seconds[int(other)], PROGRESS_DEADLINE.total_seconds())
                    # The ten minutes are counted from the whole second.
                    assert moment >= earlier + timedelta(seconds=took - 1 if took > 90 else took)
            batch = []
        batch.append(moment)
        assert len(batch) <= cluster.rollout.batch_size, name
