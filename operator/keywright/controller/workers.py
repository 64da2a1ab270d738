"""Workers take keys from a queue and reconcile them; one that fails never ends the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from keywright.clouds.sessions import Clock
from keywright.cluster.errors import ApiError, ApiUnreachableError
from keywright.controller.changed import ChangedMeanwhileError
from keywright.controller.leadership import LostLeaseError
from keywright.controller.queue import DueQueue
from keywright.controller.rests import Rest, Rests
from keywright.controller.waiting import Waiting

Reconcile = Callable[[str], Awaitable[datetime | Rest | None]]
_Work = Callable[[], Awaitable[datetime | Rest | None]]

_LOG = logging.getLogger(__name__)
_FIRST_RETRY = timedelta(milliseconds=250)
_LAST_RETRY = timedelta(seconds=30)
_IN_A_LANE = 2
_STEPS_AT_ONCE = 16


class Office(Protocol):
    """Whether this process works or stands by."""

    elected: asyncio.Event

    def holds(self) -> bool:
        """Whether it works at this very moment."""


@dataclass(slots=True)
class _Lane:
    """The keys of one account that must be gone about slowly."""

    waiting: Waiting
    busy: int = 0


def _no_lane(_: str) -> None:
    return None


class WorkerPool:
    """A fixed number of workers on one queue.

    What is left of a reconcile is finished when no key is due, or after a while.

    `lane` names what a key shares with others that must go slowly, None for a key that need not:
    a lane is given two workers, and its keys hold up nobody else. They wait there in the order of
    the queue.
    """

    def __init__(
        self,
        name: str,
        *,
        queue: DueQueue,
        reconcile: Reconcile,
        settled: Callable[[str], bool],
        office: Office,
        ready: asyncio.Event,
        clock: Clock,
        size: int,
        lane: Callable[[str], str | None] = _no_lane,
    ) -> None:
        self._name = name
        self._queue = queue
        self._reconcile = reconcile
        self._settled = settled
        self._office = office
        self._ready = ready
        self._clock = clock
        self._size = size
        self._lane = lane
        self._lanes: dict[str, _Lane] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._unwritten: dict[str, int] = {}
        self._hurried: dict[str, int] = {}
        self._rests = Rests(clock)
        self._idle = asyncio.Event()
        self._busy = 0
        self._closing = False
        self._begun = False

    def start(self) -> None:
        """Start the workers; they begin when everything is listed and this replica leads."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"{self._name} worker {number}")
            for number in range(self._size)
        ]

    async def drain(self, *, seconds: float) -> None:
        """Take nothing new, let what is in hand end, and after `seconds` end it."""
        self._closing = True
        if self._in_hand():
            self._idle.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
            except TimeoutError:
                _LOG.warning("%s: %d reconciles were cut off", self._name, self._in_hand())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        await self._ready.wait()
        while True:
            await self._office.elected.wait()
            if not self._begun:
                # What was told until now was put in its place before all of it was known.
                self._begun = True
                self._queue.reorder()
            key = await self._next()
            if key is None:
                key, rest = self._rests.pop()
                await self._work_on(key, rest.finish)
                continue
            if not self._works():
                self._queue.done(key, due=None)
                self._queue.add(key)
                await asyncio.sleep(0)
                if self._closing:
                    return
                continue
            await self._enter(key)

    async def _next(self) -> str | None:
        """The key whose turn it is; None where it is that of a rest."""
        if not self._rests:
            return await self._queue.take()
        if self._closing or self._rests.take_turn():
            return None
        return self._queue.take_due()

    async def _enter(self, key: str) -> None:
        """Work on the key, or leave it to those who are in its lane already; then on what waits."""
        name = self._lane(key)
        if name is None:
            await self._work_on(key, partial(self._reconcile, key))
            return
        lane = self._lanes.setdefault(name, _Lane(Waiting(self._queue.order, now=self._clock)))
        if lane.busy >= _IN_A_LANE:
            lane.waiting.push(key)
            return
        lane.busy += 1
        try:
            await self._work_on(key, partial(self._to_its_end, key))
            while lane.waiting and self._lane(lane.waiting.first()) == name and self._works():
                key = lane.waiting.pop()
                await self._work_on(key, partial(self._to_its_end, key))
        finally:
            lane.busy -= 1
            if not lane.busy or self._lane(key) is None:
                self._give_back(lane)

    def _give_back(self, lane: _Lane) -> None:
        while lane.waiting:
            key = lane.waiting.pop()
            self._queue.done(key, due=None)
            self._queue.add(key)

    def _works(self) -> bool:
        return self._office.holds() and not self._closing

    async def _work_on(self, key: str, work: _Work) -> None:
        self._busy += 1
        try:
            await self._once(key, work)
        finally:
            self._busy -= 1
            if not self._in_hand():
                self._idle.set()

    def _in_hand(self) -> int:
        return self._busy + len(self._rests)

    async def _to_its_end(self, key: str) -> datetime | None:
        """A journal that was begun is not left for others to begin theirs."""
        due = await self._whole(key)
        for _ in range(_STEPS_AT_ONCE):
            if due is None or due > self._clock():
                break
            self._hurry(key)
            due = await self._whole(key)
        return due

    async def _whole(self, key: str) -> datetime | None:
        found = await self._reconcile(key)
        return await found.finish() if isinstance(found, Rest) else found

    async def _once(self, key: str, work: _Work) -> None:
        try:
            found = await work()
        except ChangedMeanwhileError:
            self._queue.done(key, due=self._hurry(key))
        except LostLeaseError:
            self._queue.done(key, due=None)
            self._queue.add(key)
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("%s %s: not recorded, tried again: %s", self._name, key, error)
            self._retry(key)
        except Exception:
            _LOG.exception("%s %s: a mistake of ours, tried again", self._name, key)
            self._retry(key)
        else:
            if isinstance(found, Rest):
                self._rests.push(key, found)
            else:
                self._done(key, due=found)

    def _done(self, key: str, *, due: datetime | None) -> None:
        self._unwritten.pop(key, None)
        if due is not None and due <= self._clock():
            due = self._hurry(key)
        else:
            self._hurried.pop(key, None)
        self._queue.done(key, due=due, settled=self._settled(key))

    def _hurry(self, key: str) -> datetime:
        """When a key is taken again that is due at once: now, unless that never ends.

        A due time that stays in the past is a mistake of ours, and would keep everybody busy.
        """
        now = self._clock()
        steps = self._hurried[key] = self._hurried.get(key, 0) + 1
        if steps <= _STEPS_AT_ONCE:
            return now
        if steps == _STEPS_AT_ONCE + 1:
            _LOG.warning("%s %s: due again at once after %d steps; slowed", self._name, key, steps)
        return now + _pause(steps - _STEPS_AT_ONCE)

    def _retry(self, key: str) -> None:
        """What the status cannot hold, as it could not be written, is counted here."""
        attempts = self._unwritten[key] = self._unwritten.get(key, 0) + 1
        self._queue.done(key, due=self._clock() + _pause(attempts), settled=True)


def _pause(attempts: int) -> timedelta:
    doubled: timedelta = _FIRST_RETRY * 2 ** min(attempts - 1, 10)
    return min(doubled, _LAST_RETRY)
