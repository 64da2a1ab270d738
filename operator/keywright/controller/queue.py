"""A queue by due time: each key is in progress at most once, and no event meanwhile is lost."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.fairness import FairQueue, Namespace, Order, Work, fifo, one_namespace

Demand = Literal["any", "guaranteed", "none"]
"""What a free worker takes: any work, that of a namespace below its guarantee, or none."""

_NEVER = float("inf")
_LONGEST_WAIT_SECONDS = 5.0
_URGENT_TURNS = 64


@dataclass(slots=True)
class _Entry:
    due: float = _NEVER
    queued: bool = False
    busy: bool = False
    again: bool = False


@dataclass(slots=True)
class DelayingQueue:
    """Keys with due times by the wall clock: after a suspend they are late, but not lost.

    `add` only moves a key to an earlier time, `done` (by its worker) sets the next one. Namespaces
    alternate among due keys; within one, `order` decides. `guaranteed` is how many keys of a
    namespace may be in progress regardless of others. `longest_wait`: the wall clock is read at
    least that often, in seconds.
    """

    now: Callable[[], datetime]
    order: Order = fifo
    namespace: Namespace = one_namespace
    guaranteed: int = 1
    longest_wait: float = _LONGEST_WAIT_SECONDS
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _heap: list[tuple[float, str]] = field(default_factory=list)
    _ready: FairQueue = field(init=False)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _demand: Demand = "any"
    _timed: bool = False

    def __post_init__(self) -> None:
        self._ready = self.waiting(guaranteed=self.guaranteed, urgent_turns=_URGENT_TURNS)

    def waiting(self, *, guaranteed: int = 0, urgent_turns: int = 0) -> FairQueue:
        """An empty queue for waiting work, with the same order."""
        return FairQueue(
            self.order,
            now=self.now,
            namespace=self.namespace,
            guaranteed=guaranteed,
            urgent_turns=urgent_turns,
        )

    def add(self, key: str, *, due: datetime | None = None) -> None:
        """Add a key, due then or now; a key in progress is taken again after it is done."""
        entry = self._entries.setdefault(key, _Entry())
        if due is not None and due > self.now():
            self._plan(key, entry, due.timestamp())
        elif entry.busy:
            entry.again = True
        elif not entry.queued:
            entry.queued = True
            self._ready.push(key)
            self._signal()

    def forget(self, key: str) -> None:
        """Drop a key."""
        self._entries.pop(key, None)

    def take_work(self, demand: Demand = "any") -> Work | None:
        """The next due key or deferred write; the caller reports `started` and `finished`."""
        self._promote()
        if demand == "none":
            return None
        while demand == "any" or self._ready.first_may_start():
            work = self._ready.pop()
            if work is None:
                return None
            if work.rest is not None or self._take(work.key):
                return work
        return None

    def take_rest(self) -> Work | None:
        """A deferred write, even if keys are due; None if there is none."""
        return self._ready.pop_rest()

    def push_rest(self, key: str, rest: DeferredStatusWrite) -> None:
        """Defer a write of a key, which stays in progress until it is done."""
        self._ready.push_rest(key, rest)
        self._signal()

    def rests(self) -> int:
        """The number of waiting deferred writes."""
        return self._ready.rests

    def started(self, namespace: str) -> None:
        """A worker has started with a key of the namespace."""
        self._ready.started(namespace)

    def finished(self, namespace: str) -> None:
        """A worker has finished a key of the namespace."""
        self._ready.finished(namespace)

    async def news(self, demand: Demand = "any", *, seconds: float | None = None) -> None:
        """Wait until another key may be due than at the last call, or for `seconds`.

        Work outside the demand is ignored, and so is anything that is added while `seconds` are
        given; a worker that has ended is not (`wake`).
        """
        self._wanted.clear()
        self._demand, self._timed = demand, seconds is not None
        try:
            await self._wait(seconds)
        finally:
            self._demand, self._timed = "any", False

    def wake(self) -> None:
        """Wake the waiting task."""
        self._wanted.set()

    def _signal(self) -> None:
        if self._demand == "any" or (not self._timed and self.may_start()):
            self._wanted.set()

    def may_start(self) -> bool:
        """Whether the next work belongs to a namespace below its guaranteed share."""
        return self._ready.first_may_start()

    def _take(self, key: str) -> bool:
        """Mark a key as in progress; False if it no longer waits."""
        entry = self._entries.get(key)
        if entry is None or not entry.queued:
            return False
        entry.queued, entry.busy, entry.due = False, True, _NEVER
        return True

    def done(self, key: str, *, due: datetime | None, settled: bool = False) -> None:
        """Finish a key, and set its next due time, if any.

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
        """Recompute the order of due keys, which may have been added before all was known."""
        self._promote()
        self._ready.reorder()

    def depth(self) -> int:
        """The number of keys that are due and not in progress."""
        return len(self._ready)

    def due_by_urgency(self) -> dict[str, int]:
        """The number of these keys by their urgency, as of the last ordering; thread-safe."""
        return self._ready.count_by_urgency()

    def overdue_seconds(self) -> float:
        """How late the most overdue planned key is, in seconds; 0 if none is."""
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

    async def _wait(self, seconds: float | None) -> None:
        self._drop_stale()
        limits = [] if seconds is None else [seconds]
        if self._heap:
            # The event loop uses the monotonic clock, which stops while a machine is suspended.
            limits += [self._heap[0][0] - self.now().timestamp(), self.longest_wait]
        try:
            async with asyncio.timeout(max(min(limits), 0.001) if limits else None):
                await self._wanted.wait()
        except TimeoutError:
            return
