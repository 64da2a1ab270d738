"""Slots that wait for a cloud, with a clock of the test's own."""

from __future__ import annotations

import asyncio

from keywright.clouds.slots import Slots, waiting_for_cloud, work_in


class Watch:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Now."""
        return self.seconds


def test_only_what_waits_for_longer_than_the_patience_is_slow() -> None:
    """A slot that works takes as long as it takes; one whose wait is over counts again."""
    watch = Watch()
    slots = Slots(patience_seconds=1, now=watch)
    works, waits, later = slots.take(), slots.take(), slots.take()
    slots.begin_wait(waits)
    watch.seconds = 0.5
    slots.begin_wait(later)
    assert (len(slots), slots.prompt(), slots.seconds_until_slow()) == (3, 3, 0.5)
    watch.seconds = 1
    assert (slots.prompt(), slots.seconds_until_slow()) == (2, 0.5)
    watch.seconds = 10
    assert (slots.prompt(), slots.seconds_until_slow()) == (1, 1)
    slots.end_wait(waits)
    assert slots.prompt() == 2
    for slot in (works, waits, later):
        slots.free(slot)
    assert (len(slots), slots.prompt()) == (0, 0)


async def test_tasks_wait_in_the_slot_of_the_task_that_created_them() -> None:
    """Nested waits are one; what outlives its slot marks no other one."""
    watch = Watch()
    slots = Slots(patience_seconds=1, now=watch)
    slot, gate = slots.take(), asyncio.Event()

    async def call() -> None:
        with waiting_for_cloud():
            await gate.wait()

    async def work() -> asyncio.Task[None]:
        work_in(slot)
        with waiting_for_cloud():
            task = asyncio.create_task(call())
            await asyncio.sleep(0)
        return task

    call_of_slot = await asyncio.create_task(work())
    watch.seconds = 1
    assert slots.prompt() == 0
    gate.set()
    await call_of_slot
    assert slots.prompt() == 1
    gate.clear()
    slots.free(slot)
    other, late = slots.take(), asyncio.create_task(call())
    await asyncio.sleep(0)
    watch.seconds = 5
    assert slots.prompt() == 1
    gate.set()
    await late
    slots.free(other)
