"""Keys of an account that is throttled delay no others."""

import asyncio
from collections import Counter
from datetime import datetime

from keywright.controller.leadership import AlwaysLeader
from keywright.controller.queue import DelayingQueue
from keywright.controller.workers import WorkerPool
from keywright.planning.priority import NO_PRIORITY, Urgency
from tests.unit.fakes.clock import FakeClock


class Town:
    """Four workers; what begins with `s` is slow: it ends when the test lets it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        # what ends with a `!` is urgent
        self.queue = DelayingQueue(
            now=self.clock,
            order=lambda key: (Urgency.ENDING, 0.0) if key.endswith("!") else NO_PRIORITY,
        )
        self.slow = True
        self.begun: list[str] = []
        self.steps: Counter[str] = Counter()
        self.gate = asyncio.Event()
        elector, ready = AlwaysLeader(), asyncio.Event()
        elector.elected.set()
        ready.set()
        self.pool = WorkerPool(
            "test",
            queue=self.queue,
            reconcile=self._reconcile,
            settled=lambda _: True,
            elector=elector,
            ready=ready,
            clock=self.clock,
            size=4,
            throttle_key=lambda key: "account" if self.slow and key.startswith("s") else None,
        )

    async def _reconcile(self, key: str) -> datetime | None:
        self.begun.append(key)
        if key.startswith("s") and not self.steps[key]:
            await self.gate.wait()
        self.steps[key] += 1
        return self.clock() if self.steps[key] < 3 else None

    async def turns(self) -> list[str]:
        """Let the workers go on; what they have begun since."""
        for _ in range(30):
            await asyncio.sleep(0)
        found, self.begun = self.begun, []
        return found


async def test_a_lane_is_given_two_workers() -> None:
    """Of five slow keys two are in progress, and the fast one that came last is done meanwhile."""
    town = Town()
    town.pool.start()
    for key in ("s1", "s2", "s3", "s4", "s5", "fast"):
        town.queue.add(key)
    assert await town.turns() == ["s1", "s2", "fast", "fast", "fast"]
    town.gate.set()
    assert set(await town.turns()) == {"s1", "s2", "s3", "s4", "s5"}
    assert [town.steps[f"s{number}"] for number in range(1, 6)] == [3] * 5
    await town.pool.drain(seconds=0)


async def test_in_a_lane_a_journal_is_brought_to_its_end() -> None:
    """Its next step comes before the first one of another key: an intent does not grow old."""
    town = Town()
    town.pool.start()
    town.gate.set()
    for key in ("s1", "s2", "s3"):
        town.queue.add(key)
    begun = await town.turns()
    assert begun.index("s3") > max(index for index, key in enumerate(begun) if key == "s1")
    await town.pool.drain(seconds=0)


async def test_in_a_lane_what_is_urgent_goes_first() -> None:
    """A key that is about to end comes before those that waited longer."""
    town = Town()
    town.pool.start()
    for key in ("s1", "s2", "s3", "s4"):
        town.queue.add(key)
    await town.turns()
    town.queue.add("s5!")
    await town.turns()
    town.gate.set()
    begun = await town.turns()
    assert begun.index("s5!") < min(begun.index("s3"), begun.index("s4"))
    await town.pool.drain(seconds=0)


async def test_a_lane_that_is_no_more_gives_its_keys_back() -> None:
    """When the account is fast again its keys are anybody's."""
    town = Town()
    town.pool.start()
    for key in ("s1", "s2", "s3", "s4", "s5"):
        town.queue.add(key)
    await town.turns()
    town.slow = False
    town.gate.set()
    assert {"s3", "s4", "s5"} <= set(await town.turns())
    await town.pool.drain(seconds=0)


async def test_in_a_lane_namespaces_take_turns() -> None:
    """One whose keys have all ended is not served before another one of the same account."""
    town = Town()
    town.queue.namespace = lambda key: key.partition("/")[0]
    town.queue.__post_init__()
    town.pool.start()
    for number in range(10):
        town.queue.add(f"slow/{number}!")
    assert await town.turns() == ["slow/0!", "slow/1!"]
    town.queue.add("shared/key")
    assert await town.turns() == []
    town.gate.set()
    begun = [key for key in await town.turns() if key not in {"slow/0!", "slow/1!"}]
    assert "shared/key" in list(dict.fromkeys(begun))[:2]
    await town.pool.drain(seconds=0)
