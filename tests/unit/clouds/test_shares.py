"""Shares of threads and connections, by namespace."""

from __future__ import annotations

import asyncio

import pytest

from keywright.clouds.bounded import LruDict
from keywright.clouds.shares import FairShares, Share


async def _waits(shares: FairShares, tenant: str) -> asyncio.Task[Share]:
    task = asyncio.create_task(shares.acquire(tenant))
    await asyncio.sleep(0)
    return task


async def test_one_tenant_alone_has_all_of_it() -> None:
    """Work-conserving: nothing is kept free for tenants that want nothing."""
    shares = FairShares(soft=4, hard=8)
    for _ in range(4):
        await asyncio.wait_for(shares.acquire("a"), 1)
    assert not (await _waits(shares, "a")).done()
    assert shares.running == 4


async def test_a_new_tenant_does_not_wait_for_slow_calls() -> None:
    """Up to its share, and above the usual limit; the flood gets nothing more."""
    shares = FairShares(soft=4, hard=8, patience_seconds=0)
    flood = [await _waits(shares, "a") for _ in range(10)]
    assert sum(task.done() for task in flood) == 4
    fresh = [await _waits(shares, "b") for _ in range(3)]
    assert [task.done() for task in fresh] == [True, True, False]
    assert (await _waits(shares, "c")).done()
    assert sum(task.done() for task in flood) == 4


async def test_tenants_that_come_at_once_do_not_crowd_each_other() -> None:
    """More at once would make all of them slower; a call that turns out to be slow counts no more.

    A takeover with a thousand keys in a hundred namespaces once started all that could be started.
    """
    shares = FairShares(soft=4, hard=64, patience_seconds=0.05)
    tasks = [await _waits(shares, f"tenant-{number}") for number in range(10)]
    assert [task.done() for task in tasks] == [True] * 4 + [False] * 6
    for task in tasks[:3]:
        shares.release(task.result())
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True] * 7 + [False] * 3
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
    assert shares.running == 7


async def test_the_hard_limit_holds() -> None:
    """However many tenants come; they are served in turn as slots come free."""
    shares = FairShares(soft=2, hard=4, patience_seconds=0)
    tasks = {name: await _waits(shares, name) for name in "abcdef"}
    assert sum(task.done() for task in tasks.values()) == 4 == shares.running
    shares.release(tasks["a"].result())
    await asyncio.sleep(0)
    assert tasks["e"].done()
    assert not tasks["f"].done()


async def test_a_free_slot_goes_to_who_has_fewest() -> None:
    """Not to the longest queue."""
    shares = FairShares(soft=2, hard=2)
    held = await shares.acquire("a")
    await shares.acquire("a")
    more = await _waits(shares, "a")
    other = await _waits(shares, "b")
    shares.release(held)
    await asyncio.sleep(0)
    assert (more.done(), other.done()) == (False, True)


async def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    """Neither while it waits nor when its slot has just been given."""
    shares = FairShares(soft=1, hard=1)
    held = await shares.acquire("a")
    first, second = await _waits(shares, "b"), await _waits(shares, "c")
    first.cancel()
    shares.release(held)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert shares.running == 0
    async with asyncio.timeout(1), shares.slot("d"):
        assert shares.running == 1
    assert shares.running == 0


def test_a_cache_has_a_limit_and_closes_what_it_evicts() -> None:
    """The least recently used goes first."""
    gone: list[int] = []
    cache: LruDict[str, int] = LruDict(2, evicted=gone.append)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert gone == [2]
    assert [key for key, _ in cache.items()] == ["a", "c"]
    assert (cache.pop("a"), cache.pop("a"), len(cache)) == (1, None, 1)
    assert "c" in cache
    assert cache.peek("nothing") is None


@pytest.mark.parametrize("soft", [1, 3, 8])
async def test_everyone_is_served_in_the_end(soft: int) -> None:
    """Whatever comes and goes, no caller is forgotten."""
    shares = FairShares(soft=soft, hard=2 * soft)
    done: list[int] = []

    async def work(number: int) -> None:
        async with shares.slot(f"tenant-{number % 7}"):
            await asyncio.sleep(0)
            done.append(number)

    async with asyncio.timeout(5):
        await asyncio.gather(*map(work, range(300)))
    assert len(done) == 300
    assert shares.running == 0
