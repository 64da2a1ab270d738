"""A clock that was set, and a machine that slept."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from keywright.controller.clock_watch import ClockWatch
from keywright.controller.queue import DelayingQueue
from tests.unit.controller.draining import take
from tests.unit.fakes.clock import FakeClock, FakeMonotonic


class Watched:
    """A watch with both of its clocks, and how often it called."""

    def __init__(self) -> None:
        self.wall, self.monotonic, self.calls = FakeClock(), FakeMonotonic(), 0
        self.watch = ClockWatch(now=self.wall, monotonic=self.monotonic, stepped=self._call)

    def _call(self) -> None:
        self.calls += 1

    def passes(self, seconds: float, *, wall: float) -> None:
        """Time passes by the monotonic clock, and the wall clock moves."""
        self.monotonic.seconds += seconds
        self.wall.advance(seconds=wall)
        self.watch.check()


@pytest.mark.parametrize("wall", [9 * 3600.0, -9 * 3600.0, 20.0, -60.0])
def test_a_step_of_the_wall_clock_is_noticed_once(wall: float) -> None:
    """Forward as after a suspend, and backward as after a correction."""
    watched = Watched()
    watched.passes(5, wall=5)
    assert watched.calls == 0
    watched.passes(5, wall=wall)
    assert watched.calls == 1
    watched.passes(5, wall=5)
    assert watched.calls == 1


def test_a_time_service_that_corrects_slowly_is_followed() -> None:
    """A difference of one second in each check requeues nothing."""
    watched = Watched()
    for _ in range(100):
        watched.passes(5, wall=6)
    assert watched.calls == 0


async def test_a_key_comes_when_the_wall_clock_has_passed_its_time() -> None:
    """Case 07: the loop's own clock stands still while a machine sleeps."""
    clock = FakeClock()
    queue = DelayingQueue(now=clock, longest_wait=0.01)
    queue.add("key", due=clock.now + timedelta(hours=8))
    taking = asyncio.create_task(take(queue))
    await asyncio.sleep(0)
    clock.advance(hours=9)
    async with asyncio.timeout(5):
        assert await taking == "key"
