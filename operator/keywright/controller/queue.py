"""Work by due time: each key is in hand at most once, and what happens meanwhile is not lost."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from keywright.controller.waiting import Order, Waiting, as_they_came

_NEVER = float("inf")


@dataclass(slots=True)
class _Entry:
    due: float = _NEVER
    queued: bool = False
    busy: bool = False
    again: bool = False


@dataclass(slots=True)
class DueQueue:
    """Keys with their due times, by the wall clock: a machine that slept is late, not lost.

    `add` moves a key only to an earlier time, `done` (by its worker) sets the next one.
    Of the keys that are due, `order` says which goes first.
    """

    now: Callable[[], datetime]
    order: Order = as_they_came
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _heap: list[tuple[float, str]] = field(default_factory=list)
    _ready: Waiting = field(init=False)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    # Of many idle workers one waits for what comes, the others for their turn: a key wakes one.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._ready = Waiting(self.order, now=self.now)

    def add(self, key: str, *, due: datetime | None = None) -> None:
        """The key is due then, or now; in hand, it is taken once more after it is done."""
        entry = self._entries.setdefault(key, _Entry())
        if due is not None and due > self.now():
            self._plan(key, entry, due.timestamp())
        elif entry.busy:
            entry.again = True
        elif not entry.queued:
            entry.queued = True
            self._ready.push(key)
            self._wanted.set()

    def forget(self, key: str) -> None:
        """The key is of no interest any more."""
        self._entries.pop(key, None)

    async def take(self) -> str:
        """The next key that is due; the caller must hand it back with `done`."""
        async with self._turn:
            while (key := self.take_due()) is None:
                self._wanted.clear()
                await self._wait()
            return key

    def take_due(self) -> str | None:
        """As `take`, but None where no key is due."""
        self._promote()
        while self._ready:
            key = self._ready.pop()
            entry = self._entries.get(key)
            if entry is None or not entry.queued:
                continue
            entry.queued, entry.busy, entry.due = False, True, _NEVER
            return key
        return None

    def done(self, key: str, *, due: datetime | None, settled: bool = False) -> None:
        """Hand the key back, due again then, if at all.

        `settled` drops what was added meanwhile: the worker knows that it was the echo of its own
        writes.
        """
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.busy = False
        again, entry.again = entry.again and not settled, False
        if again:
            self.add(key)
        elif due is not None:
            self.add(key, due=due)

    def reorder(self) -> None:
        """Put what is due in the order of now: what came long ago, or before all was known."""
        self._promote()
        self._ready.reorder()

    def depth(self) -> int:
        """How many keys are due and not in hand."""
        return len(self._ready)

    def overdue_seconds(self) -> float:
        """By how much the most overdue planned key is late; 0 where none is."""
        self._drop_stale()
        if not self._heap:
            return 0.0
        return max(0.0, self.now().timestamp() - self._heap[0][0])

    def _plan(self, key: str, entry: _Entry, due: float) -> None:
        if entry.queued or due >= entry.due:
            return
        entry.due = due
        heapq.heappush(self._heap, (due, key))
        if self._heap[0] == (due, key):
            self._wanted.set()

    def _promote(self) -> None:
        now = self.now().timestamp()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            if entry is None or entry.due != due:
                continue
            entry.due = _NEVER
            if entry.busy:
                entry.again = True
            elif not entry.queued:
                entry.queued = True
                self._ready.push(key)

    def _drop_stale(self) -> None:
        while self._heap:
            due, key = self._heap[0]
            entry = self._entries.get(key)
            if entry is not None and entry.due == due:
                return
            heapq.heappop(self._heap)

    async def _wait(self) -> None:
        self._drop_stale()
        if not self._heap:
            await self._wanted.wait()
            return
        seconds = self._heap[0][0] - self.now().timestamp()
        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._wanted.wait()
        except TimeoutError:
            return
