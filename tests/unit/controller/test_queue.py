"""Work by due time."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from keywright.controller.queue import DelayingQueue
from keywright.planning.priority import NO_PRIORITY, Priority, Urgency
from tests.unit.controller.draining import take, taken
from tests.unit.fakes.clock import FakeClock


def _queue() -> tuple[DelayingQueue, FakeClock]:
    clock = FakeClock()
    return DelayingQueue(now=clock), clock


async def test_keys_come_once_in_the_order_they_were_added() -> None:
    """Added twice, taken once."""
    queue, _ = _queue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert queue.depth() == 2
    assert await taken(queue) == ["a", "b"]


async def test_a_planned_key_comes_when_it_is_due() -> None:
    """By due time, and not a moment before."""
    queue, clock = _queue()
    queue.add("later", due=clock.now + timedelta(seconds=20))
    queue.add("sooner", due=clock.now + timedelta(seconds=10))
    assert await taken(queue) == []
    clock.advance(seconds=9)
    assert await taken(queue) == []
    clock.advance(seconds=1)
    assert await taken(queue) == ["sooner"]
    clock.advance(seconds=60)
    assert queue.overdue_seconds() == 50
    assert await taken(queue) == ["later"]
    assert queue.overdue_seconds() == 0


async def test_what_is_urgent_goes_first() -> None:
    """Whenever it came; of equals the first that came is first."""
    urgency = {
        "ended": (Urgency.ENDED, 5.0),
        "ends soon": (Urgency.ENDING, 7.0),
        "again": (Urgency.RETRY, 0),
    }
    clock = FakeClock()
    queue = DelayingQueue(now=clock, order=lambda key: urgency.get(key, NO_PRIORITY))
    queue.add("ended", due=clock.now + timedelta(seconds=1))
    for key in ("again", "new", "newer", "ends soon"):
        queue.add(key)
    clock.advance(seconds=1)
    assert await taken(queue) == ["ended", "ends soon", "new", "newer", "again"]


async def test_what_waited_is_put_in_the_order_of_now() -> None:
    """A key keeps the priority that it had on arrival, until all are ranked again."""
    urgency = {"a": NO_PRIORITY, "b": NO_PRIORITY}
    queue = DelayingQueue(now=FakeClock(), order=lambda key: urgency[key])
    for key in urgency:
        queue.add(key)
    urgency["b"] = (Urgency.ENDED, 5.0)
    queue.reorder()
    assert await taken(queue) == ["b", "a"]


async def test_a_key_that_comes_to_its_end_while_it_waits_goes_first() -> None:
    """With a permanent excess of urgent work, it would never be served."""
    clock = FakeClock()
    began = clock.now

    def order(key: str) -> Priority:
        if key == "calm" and clock.now < began + timedelta(seconds=10):
            return NO_PRIORITY
        return (Urgency.ENDING, 10.0 if key == "calm" else 20.0)

    queue = DelayingQueue(now=clock, order=order)
    queue.add("calm")
    came = []
    for number in range(15):
        queue.add(f"urgent {2 * number}")
        queue.add(f"urgent {2 * number + 1}")
        came.append(await take(queue))
        queue.done(came[-1], due=None)
        clock.advance(seconds=1)
    assert came.index("calm") == 10
    assert came.count("calm") == 1


async def test_a_plan_moves_only_to_an_earlier_time() -> None:
    """The later one of two plans is dropped; now is earlier than any."""
    queue, clock = _queue()
    queue.add("a", due=clock.now + timedelta(seconds=10))
    queue.add("a", due=clock.now + timedelta(seconds=20))
    queue.add("a", due=clock.now + timedelta(seconds=5))
    clock.advance(seconds=5)
    assert await taken(queue) == ["a"]
    queue.done("a", due=None)
    clock.advance(seconds=60)
    assert await taken(queue) == []
    queue.add("a", due=clock.now + timedelta(seconds=5))
    queue.add("a")
    assert await taken(queue) == ["a"]
    queue.done("a", due=None)
    clock.advance(seconds=60)
    assert await taken(queue) == []


async def test_a_key_in_hand_is_taken_by_nobody_else() -> None:
    """What happens meanwhile brings it back once, after it was handed back."""
    queue, clock = _queue()
    queue.add("a")
    assert await taken(queue) == ["a"]
    queue.add("a")
    queue.add("a")
    assert await taken(queue) == []
    queue.done("a", due=clock.now + timedelta(hours=1))
    assert await taken(queue) == ["a"]


async def test_a_key_that_fell_due_in_hand_comes_again() -> None:
    """The plan is not lost because the key was busy."""
    queue, clock = _queue()
    queue.add("a")
    assert await taken(queue) == ["a"]
    queue.add("a", due=clock.now + timedelta(seconds=1))
    clock.advance(seconds=2)
    assert await taken(queue) == []
    queue.done("a", due=None)
    assert await taken(queue) == ["a"]


async def test_an_echo_brings_nothing_back() -> None:
    """`settled` drops what was added while the key was in progress, and keeps the due time."""
    queue, clock = _queue()
    queue.add("a")
    assert await taken(queue) == ["a"]
    queue.add("a")
    queue.done("a", due=clock.now + timedelta(seconds=5), settled=True)
    assert await taken(queue) == []
    clock.advance(seconds=5)
    assert await taken(queue) == ["a"]


async def test_a_due_time_in_the_past_is_now() -> None:
    """A worker that was slow hands back a key that is due already."""
    queue, clock = _queue()
    queue.add("a")
    assert await taken(queue) == ["a"]
    queue.done("a", due=clock.now - timedelta(seconds=5))
    assert await taken(queue) == ["a"]


async def test_a_forgotten_key_never_comes() -> None:
    """Whether it was waiting, scheduled or in progress."""
    queue, clock = _queue()
    queue.add("waits")
    queue.add("planned", due=clock.now + timedelta(seconds=1))
    queue.forget("waits")
    queue.forget("planned")
    queue.forget("unknown")
    clock.advance(seconds=2)
    assert queue.overdue_seconds() == 0
    assert await taken(queue) == []
    queue.add("a")
    assert await taken(queue) == ["a"]
    queue.forget("a")
    queue.done("a", due=clock.now)
    assert await taken(queue) == []


async def test_a_waiting_worker_is_woken() -> None:
    """By a key that comes, and by an earlier plan."""
    queue, clock = _queue()
    queue.add("far", due=clock.now + timedelta(hours=1))
    for key in ("a", "b"):
        worker = asyncio.create_task(take(queue))
        await asyncio.sleep(0)
        queue.add(key)
        assert await worker == key


async def test_while_all_workers_are_busy_only_another_namespace_wakes() -> None:
    """Or a worker that has ended: nothing can be done for the others."""
    clock = FakeClock()
    queue = DelayingQueue(now=clock, namespace=lambda key: key[0])
    queue.started("a")
    waiting = asyncio.create_task(queue.news("guaranteed"))
    await asyncio.sleep(0)
    queue.add("a1")
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.add("b1")
    await waiting
    waiting = asyncio.create_task(queue.news("guaranteed"))
    await asyncio.sleep(0)
    queue.wake()
    await waiting


async def test_a_worker_wakes_by_the_clock() -> None:
    """A key that is scheduled in a few milliseconds becomes due without another event."""
    queue, clock = _queue()
    queue.add("a", due=clock.now + timedelta(milliseconds=2))
    worker = asyncio.create_task(take(queue))
    await asyncio.sleep(0)
    clock.advance(seconds=1)
    assert await worker == "a"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 30)), max_size=20))
def test_each_key_comes_at_the_earliest_time_it_was_asked_for(
    requested: list[tuple[str, int]],
) -> None:
    """However plans were made, nothing is lost and nothing comes twice."""

    async def play() -> None:
        queue, clock = _queue()
        start = clock.now
        for key, seconds in requested:
            queue.add(key, due=start + timedelta(seconds=seconds))
        earliest: dict[str, int] = {}
        for key, seconds in requested:
            earliest[key] = min(max(seconds, 0), earliest.get(key, 99))
        for second in range(31):
            clock.now = start + timedelta(seconds=second)
            found = await taken(queue)
            assert sorted(found) == sorted(k for k, due in earliest.items() if due == second)
            for key in found:
                queue.done(key, due=None)

    asyncio.run(play())
