"""Fair queueing by namespace, and a simulation of workers with virtual time."""

import heapq
from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from keywright.clouds.slots import PATIENCE_SECONDS, Slot, Slots
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.fairness import FairQueue
from keywright.controller.queue import DelayingQueue, Demand
from keywright.planning.priority import NO_PRIORITY, Priority, Urgency
from tests.unit.fakes.clock import FakeClock

_WORKERS, _LIMIT, _GUARANTEED = 32, 256, 4


def _namespace(key: str) -> str:
    return key.partition("/")[0]


def _order(key: str) -> Priority:
    """What ends with a `!` has no key any more."""
    return (Urgency.ENDED, 0.0) if key.endswith("!") else NO_PRIORITY


def _waiting(*, guaranteed: int = 1) -> FairQueue:
    return FairQueue(_order, now=FakeClock(), namespace=_namespace, guaranteed=guaranteed)


async def _nothing() -> None:
    return None


def test_namespaces_take_turns() -> None:
    """However many keys one of them has brought, and however early."""
    waiting = _waiting()
    for key in ("a/1", "a/2", "a/3", "b/1", "c/1", "b/2"):
        waiting.push(key)
    came = []
    while (work := waiting.pop()) is not None:
        waiting.started(work.namespace)
        came.append(work.key)
    assert came == ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3"]


def test_who_has_the_fewest_in_hand_goes_first() -> None:
    """Slow calls of a namespace count against it as long as they last."""
    waiting = _waiting()
    for _ in range(3):
        waiting.started("a")
    waiting.push("a/1!")
    waiting.push("b/1")
    assert (work := waiting.pop()) is not None
    assert work.key == "b/1"
    for _ in range(3):
        waiting.finished("a")
    waiting.push("b/2")
    waiting.started("b")
    assert (work := waiting.pop()) is not None
    assert work.key == "a/1!"


def test_an_ended_key_overtakes_within_bounds() -> None:
    """By two seconds: a namespace that has waited longer than that is not passed by."""
    clock = FakeClock()
    waiting = FairQueue(_order, now=clock, namespace=_namespace)
    waiting.push("old/1")
    clock.advance(seconds=1.5)
    waiting.push("ended/1!")
    assert (work := waiting.pop()) is not None
    assert work.key == "ended/1!"
    clock.advance(seconds=2.5)
    waiting.push("ended/2!")
    assert (work := waiting.pop()) is not None
    assert work.key == "old/1"


def _taken(waiting: FairQueue, *, count: int) -> list[str]:
    """The next keys, each of which is done at once."""
    keys = []
    for _ in range(count):
        work = waiting.pop()
        assert work is not None
        waiting.started(work.namespace)
        waiting.finished(work.namespace)
        keys.append(work.key)
    return keys


def test_keys_that_expired_come_first_by_their_expiry_whosever_they_are() -> None:
    """After a takeover, namespaces whose keys are due later do not delay those whose keys end now.

    Turns by namespace alone let keys of one namespace expire while keys of others were renewed that
    had ten seconds left.
    """
    ends = {"late/1": 1.0, "late/2": 2.0, "later/1": 3.0, "late/3": 4.0}
    waiting = FairQueue(
        lambda key: (Urgency.ENDING, ends[key]) if key in ends else NO_PRIORITY,
        now=FakeClock(),
        namespace=_namespace,
        urgent_turns=8,
    )
    for key in ("new/1", "later/1", "late/3", "late/1", "other/1", "late/2"):
        waiting.push(key)
    assert _taken(waiting, count=4) == ["late/1", "late/2", "later/1", "late/3"]


def test_the_budget_of_urgent_turns_is_limited_and_refilled() -> None:
    """A namespace whose keys have all expired cannot hold up the others."""
    clock = FakeClock()
    waiting = FairQueue(_order, now=clock, namespace=_namespace, urgent_turns=4)
    waiting.push("honest/1")
    clock.advance(seconds=3)
    for number in range(100):
        waiting.push(f"flood/{number}!")
    assert _taken(waiting, count=5)[-1] == "honest/1"
    waiting.push("honest/2")
    clock.advance(seconds=4)
    assert _taken(waiting, count=5)[-1] == "honest/2"


def test_many_namespaces_with_forged_dates_do_not_starve_another() -> None:
    """There is a budget for all of them, and then turns by namespace: seconds, not minutes."""
    clock = FakeClock()
    waiting = FairQueue(_order, now=clock, namespace=_namespace, urgent_turns=4)
    for number in range(40):
        for other in range(50):
            waiting.push(f"forger-{number}/{other}!")
    waiting.push("honest/1")
    taken = 0
    while (key := _taken(waiting, count=1)[0]) != "honest/1":
        waiting.push(key)
        clock.advance(seconds=0.02)
        taken += 1
        assert taken < 400
    assert taken > 40


def test_a_rest_waits_for_keys_of_namespaces_that_have_their_share() -> None:
    """And goes before those of a namespace that has more than it is guaranteed."""
    waiting = _waiting(guaranteed=1)
    waiting.push_rest("a/1", DeferredStatusWrite(_nothing))
    waiting.push("b/1")
    assert (work := waiting.pop()) is not None
    assert work.key == "b/1"
    waiting.started("b")
    waiting.push("b/2")
    assert (work := waiting.pop()) is not None
    assert work.rest is not None


def test_namespaces_that_are_done_are_forgotten() -> None:
    """Nothing is remembered of a namespace without queued grants and grants in progress."""
    clock = FakeClock()
    waiting = FairQueue(_order, now=clock, namespace=_namespace, urgent_turns=4)
    for number in range(1000):
        waiting.push(f"n{number}/1{'!' * (number % 2)}")
        waiting.pop()
        waiting.started(f"n{number}")
        waiting.finished(f"n{number}")
    # A namespace that used urgent turns is remembered until they are refilled: the budget of all.
    assert len(waiting._shares) == 32
    clock.advance(seconds=4)
    assert waiting.pop() is None
    assert not waiting._shares


@given(st.lists(st.sampled_from(("push", "rest", "pop", "end")), max_size=60), st.data())
def test_nothing_is_lost_and_nothing_comes_twice(steps: list[str], data: st.DataObject) -> None:
    """Whatever comes, goes and ends in between."""
    waiting, numbers = _waiting(guaranteed=2), iter(range(1000))
    left: Counter[str] = Counter()
    in_hand: list[str] = []
    for step in steps:
        namespace = data.draw(st.sampled_from("abc"))
        if step == "push":
            key = f"{namespace}/{next(numbers)}"
            waiting.push(key)
            left[key] += 1
        elif step == "rest":
            key = f"{namespace}/{next(numbers)}"
            waiting.push_rest(key, DeferredStatusWrite(_nothing))
            left[key] += 1
        elif step == "pop" and (work := waiting.pop()) is not None:
            left[work.key] -= 1
            waiting.started(work.namespace)
            in_hand.append(work.namespace)
        elif step == "end" and in_hand:
            waiting.finished(in_hand.pop())
    while (work := waiting.pop()) is not None:
        left[work.key] -= 1
    assert not any(left.values())


class Workshop:
    """Workers in virtual time: each key takes as many seconds as its namespace's calls do."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.clock = FakeClock()
        self.began = self.clock.now
        self.queue = DelayingQueue(
            now=self.clock, order=_order, namespace=_namespace, guaranteed=_GUARANTEED
        )
        self.slots = Slots(now=self.now)
        self.taken: dict[str, Slot] = {}
        self.busy: list[tuple[float, str]] = []
        self.late: dict[str, list[float]] = {}
        self.due: dict[str, float] = {}

    def now(self) -> float:
        """Seconds since the begin."""
        return (self.clock.now - self.began).total_seconds()

    def add(self, key: str, *, at: float) -> None:
        """The key is due then."""
        self.due[key] = at
        self.queue.add(key, due=self.began + timedelta(seconds=at))

    def run(self, *, seconds: float, step: float = 0.05) -> None:
        """Until then; keys come again as long after their end as it took to come to them."""
        while self.now() < seconds:
            self._begin()
            self.clock.advance(seconds=step)
            while self.busy and self.busy[0][0] <= self.now():
                _, key = heapq.heappop(self.busy)
                self.slots.free(self.taken.pop(key))
                self.queue.finished(_namespace(key))
                again = self.now() + 10
                self.due[key] = again
                self.queue.done(key, due=self.began + timedelta(seconds=again))

    def _begin(self) -> None:
        while len(self.busy) < _LIMIT:
            busy = len(self.busy)
            promptly = self.slots.prompt() < _WORKERS
            demand: Demand = "any" if busy < _WORKERS else "guaranteed" if promptly else "none"
            work = self.queue.take_work(demand)
            if work is None:
                return
            self.queue.started(work.namespace)
            late = self.now() - self.due[work.key]
            self.late.setdefault(work.namespace, []).append(late)
            ends = self.now() + self.seconds[work.namespace]
            slot = self.slots.take()
            self.slots.begin_wait(slot)
            self.taken[work.key] = slot
            heapq.heappush(self.busy, (ends, work.key))


def test_a_flood_of_slow_keys_delays_no_other_namespace() -> None:
    """A thousand keys of slow calls, all of them ended, beside ten namespaces of one key each."""
    honest = {f"honest-{number}": 0.2 for number in range(10)}
    shop = Workshop({"flood": 30.0} | honest)
    for number in range(1000):
        shop.add(f"flood/{number}!", at=0)
    for number, namespace in enumerate(honest):
        shop.add(f"{namespace}/key", at=5 + number)
    shop.run(seconds=120)
    for namespace in honest:
        assert len(shop.late[namespace]) >= 8
        # A grant that arrives as the whole flood begins new calls waits until they are slow.
        assert max(shop.late[namespace]) <= PATIENCE_SECONDS + 0.1


def test_a_namespace_that_is_alone_has_every_worker() -> None:
    """A share binds only while another namespace waits."""
    shop = Workshop({"alone": 1.0})
    for number in range(_WORKERS * 2):
        shop.add(f"alone/{number}", at=0)
    shop.run(seconds=2.2)
    assert len(shop.late["alone"]) == 2 * _WORKERS


def test_two_namespaces_share_the_workers_by_halves() -> None:
    """As soon as the second one comes, whatever the first has still to do."""
    shop = Workshop({"first": 1.0, "second": 1.0})
    for number in range(1000):
        shop.add(f"first/{number}", at=0)
        shop.add(f"second/{number}", at=2)
    shop.run(seconds=10)
    begun = {namespace: len(late) for namespace, late in shop.late.items()}
    assert begun["second"] >= 6 * _WORKERS / 2
    assert begun["first"] >= 8 * _WORKERS / 2


def test_many_namespaces_of_slow_keys_are_served_up_to_the_limit() -> None:
    """Each has what it is guaranteed as long as there are workers at all."""
    namespaces = {f"slow-{number}": 60.0 for number in range(_LIMIT // _GUARANTEED)}
    shop = Workshop(namespaces)
    for namespace in namespaces:
        for number in range(10):
            shop.add(f"{namespace}/{number}", at=0)
    shop.run(seconds=PATIENCE_SECONDS * _LIMIT / _WORKERS)
    assert {len(late) for late in shop.late.values()} == {_GUARANTEED}
