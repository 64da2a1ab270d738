"""Workers beside the usual ones: for namespaces that would wait for clouds that hang."""

from __future__ import annotations

import asyncio

from keywright.clouds.slots import waiting_for_cloud
from tests.unit.controller.test_workers import Shop


async def test_a_namespace_is_served_while_another_holds_every_worker() -> None:
    """By workers beside the usual ones, up to what it is guaranteed; and no more than the limit."""
    shop = Shop(size=2)
    gate = asyncio.Event()
    shop.queue.namespace = lambda key: key[0]
    shop.queue.guaranteed = 2
    shop.queue.__post_init__()

    async def hang(key: str) -> None:
        if key.startswith("a"):
            with waiting_for_cloud():
                await gate.wait()

    shop.before = hang
    shop.pool = shop.new_pool(size=2, limit=5)
    async with shop:
        for number in range(6):
            shop.queue.add(f"a{number}")
        await shop.turns()
        shop.queue.add("b1")
        assert await shop.turns() == ["b1"]
        shop.queue.add("b2")
        assert await shop.turns() == ["b2"]
        gate.set()
        assert sorted(await shop.turns(count=30)) == [f"a{number}" for number in range(6)]


async def test_more_workers_begin_only_where_a_cloud_hangs() -> None:
    """More at once would make all of them slower where the API server or this process is slow."""
    shop = Shop(size=2)
    gate, cloud = asyncio.Event(), asyncio.Event()
    shop.queue.namespace = lambda key: key[0]
    shop.queue.__post_init__()
    began: list[str] = []
    all_begun = asyncio.Event()

    async def hang(key: str) -> None:
        began.append(key)
        if len(began) == 5:
            all_begun.set()
        await cloud.wait()
        with waiting_for_cloud():
            await gate.wait()

    shop.before = hang
    shop.pool = shop.new_pool(size=2, limit=5, patience_seconds=0.05)
    async with shop:
        for key in "abcdefg":
            shop.queue.add(key)
        await asyncio.sleep(0.2)  # four times the patience: nothing must happen
        assert began == ["a", "b"]
        cloud.set()
        async with asyncio.timeout(5):
            await all_begun.wait()
        await shop.turns()
        assert began == ["a", "b", "c", "d", "e"]
        gate.set()
        assert sorted(await shop.turns(count=30)) == list("abcdefg")


async def test_work_does_not_wait_for_workers_that_hang_later() -> None:
    """A worker ends while more than the usual number are busy; those that are left then hang."""
    shop = Shop(size=2)
    shop.queue.namespace = lambda key: key[0]
    shop.queue.__post_init__()
    gates = {name: asyncio.Event() for name in ("a1 waits", "a1", "b1", "c1", "never")}

    third = asyncio.Event()

    async def hang(key: str) -> None:
        if key == "c1":
            third.set()
        if key == "a1":
            with waiting_for_cloud():
                await gates["a1 waits"].wait()
        if key in gates:
            await gates[key].wait()
        if key in {"a1", "c1"}:
            with waiting_for_cloud():
                await gates["never"].wait()

    shop.before = hang
    shop.pool = shop.new_pool(size=2, limit=8, patience_seconds=0.05)
    async with shop:
        shop.queue.add("a1")
        shop.queue.add("b1")
        shop.queue.add("c1")
        # a1 becomes slow, and c1 gets a third worker.
        async with asyncio.timeout(5):
            await third.wait()
        gates["a1 waits"].set()
        await shop.turns()
        shop.queue.add("b2")
        await shop.turns()
        gates["b1"].set()
        await shop.turns()
        gates["a1"].set()
        gates["c1"].set()
        async with asyncio.timeout(5):
            while "b2" not in shop.done:  # noqa: ASYNC110  the pool is what is tested
                await asyncio.sleep(0.01)
        gates["never"].set()
        await shop.turns()
