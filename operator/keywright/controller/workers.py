"""Workers take keys from a queue and reconcile them; one that fails never ends the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from keywright.api.errors import ApiError, ApiUnreachableError, ConflictError, LostLeaseError
from keywright.clouds.sessions import Clock
from keywright.clouds.slots import PATIENCE_SECONDS, Slot, Slots, work_in
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.fairness import FairQueue, Work
from keywright.controller.queue import DelayingQueue, Demand
from keywright.controller.supervision import Supervisor

Reconcile = Callable[[str], Awaitable[datetime | DeferredStatusWrite | None]]
_Step = Callable[[], Awaitable[datetime | DeferredStatusWrite | None]]

_LOG = logging.getLogger(__name__)
_FIRST_RETRY = timedelta(milliseconds=250)
_LAST_RETRY = timedelta(seconds=30)
_IN_A_LANE = 2
_STEPS_AT_ONCE = 16


class LeaderCheck(Protocol):
    """Whether this process works or stands by."""

    elected: asyncio.Event

    def holds(self) -> bool:
        """Whether it works at this very moment."""


@dataclass(slots=True)
class _AccountSlot:
    """The keys of one account that must be gone about slowly."""

    waiting: FairQueue
    busy: int = 0


@dataclass(frozen=True, slots=True)
class _InHand:
    """What a worker works on, and its slot."""

    work: Work
    slot: Slot


def _no_lane(_: str) -> None:
    return None


class WorkerPool:
    """Workers on one queue: `size` of them, and more where a namespace would wait for another.

    A dispatcher starts workers; each takes keys until none is left for it. Of `size` workers that
    are busy, those that have waited for a cloud for longer than `patience_seconds` do not count for
    a namespace that has fewer keys in hand than the queue guarantees: another worker serves it, up
    to `limit` in all. Calls that hang hold up nobody else.

    What is left of a reconcile is finished when no key is due, or after a while.

    `throttle_key` names what a key shares with others that must go slowly, None for a key that need
    not: a lane is given two workers, and its keys hold up nobody else. Namespaces take turns there.
    """

    def __init__(
        self,
        name: str,
        *,
        queue: DelayingQueue,
        reconcile: Reconcile,
        settled: Callable[[str], bool],
        elector: LeaderCheck,
        ready: asyncio.Event,
        clock: Clock,
        size: int,
        limit: int | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        throttle_key: Callable[[str], str | None] = _no_lane,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._name = name
        self._queue = queue
        self._reconcile = reconcile
        self._settled = settled
        self._elector = elector
        self._ready = ready
        self._clock = clock
        self._size = size
        self._limit = max(size, limit or size)
        self._throttle_key = throttle_key
        self._lanes: dict[str, _AccountSlot] = {}
        self._supervisor = supervisor or Supervisor(restarted=lambda _: None)
        self._workers: dict[asyncio.Task[None], _InHand | None] = {}
        self._slots = Slots(patience_seconds=patience_seconds)
        self._failures: dict[str, int] = {}
        self._immediate_requeues: dict[str, int] = {}
        self._idle = asyncio.Event()
        self._closing = False
        self._begun = False

    def start(self) -> None:
        """Start the dispatcher; it begins when everything is listed and this replica leads."""
        self._supervisor.start(self._task_name, self._dispatch)

    @property
    def _task_name(self) -> str:
        return f"{self._name} dispatcher"

    async def drain(self, *, seconds: float) -> None:
        """Take nothing new, let what is in hand end, and after `seconds` end it."""
        self._closing = True
        await self._supervisor.stop(self._task_name)
        while len(self._workers) < self._size and (work := self._queue.take_rest()) is not None:
            self._start_worker(work)
        if self._in_hand():
            self._idle.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
            except TimeoutError:
                _LOG.warning(
                    "%s: drain timeout, cancelled %d reconciles", self._name, self._in_hand()
                )
        tasks = list(self._workers)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dispatch(self) -> None:
        await self._ready.wait()
        while True:
            await self._elector.elected.wait()
            if not self._begun:
                # What was told until now was put in its place before all of it was known.
                self._begun = True
                self._queue.reorder()
            if not self._may_work() and self._queue.depth():
                # Frozen past the end of the office, which is about to be noticed.
                await asyncio.sleep(0)
                continue
            while (work := self._next(busy=len(self._workers))) is not None:
                self._start_worker(work)
            if self._may_work():
                demand = self._demand(busy=len(self._workers))
                held_up = demand == "none" and self._queue.may_start()
                seconds = self._slots.seconds_until_slow() if held_up else None
                await self._queue.news(demand, seconds=seconds)

    def _demand(self, *, busy: int) -> Demand:
        if busy < self._size:
            return "any"
        return "guaranteed" if busy < self._limit and self._slots.prompt() < self._size else "none"

    def _next(self, *, busy: int) -> Work | None:
        """The work whose turn it is, where `busy` workers have some already."""
        if self._closing:
            return self._queue.take_rest()
        if not self._may_work():
            return None
        return self._queue.take_work(self._demand(busy=busy))

    def _start_worker(self, work: Work) -> None:
        task = asyncio.create_task(self._work(work), name=f"{self._name} worker")
        self._workers[task] = None
        self._assign(task, work)
        task.add_done_callback(self._worker_ended)

    async def _work(self, first: Work) -> None:
        task = asyncio.current_task()
        assert task is not None
        work: Work | None = first
        while work is not None:
            self._take_in_hand(task, work)
            if work.rest is not None:
                await self._handle(work.key, work.rest.finish)
            else:
                await self._start(task, work)
            self._put_down(task)
            work = self._next(busy=len(self._workers) - 1)

    def _assign(self, task: asyncio.Task[None], work: Work) -> _InHand:
        self._put_down(task)
        found = self._workers[task] = _InHand(work, self._slots.take())
        self._queue.started(work.namespace)
        return found

    def _take_in_hand(self, task: asyncio.Task[None], work: Work) -> None:
        """Called in the task."""
        has = self._workers[task]
        if has is None or has.work is not work:
            has = self._assign(task, work)
        work_in(has.slot)

    def _put_down(self, task: asyncio.Task[None]) -> None:
        had, self._workers[task] = self._workers[task], None
        if had is not None:
            self._slots.free(had.slot)
            self._queue.finished(had.work.namespace)

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        """A worker has no more work, or has died: the key that it had is not lost."""
        had = self._workers[task]
        self._put_down(task)
        del self._workers[task]
        error = None if task.cancelled() else task.exception()
        if had is not None and not self._closing:
            kind = f"{self._name} worker"
            self._supervisor.restarted(kind)
            _LOG.error("%s failed, retrying %s", kind, had.work.key, exc_info=error)
            self._retry(had.work.key)
        if not self._may_work() or self._size - 1 in (len(self._workers), self._slots.prompt()):
            # The dispatcher would not hear of an office that is regained, nor of a free worker.
            self._queue.wake()
        if not self._in_hand():
            self._idle.set()

    async def _start(self, task: asyncio.Task[None], work: Work) -> None:
        """Work on the key, or leave it to those who are in its lane already; then on what waits."""
        key, name = work.key, self._throttle_key(work.key)
        if name is None:
            await self._handle(key, partial(self._reconcile, key))
            return
        throttle_key = self._lanes.get(name)
        if throttle_key is None:
            throttle_key = self._lanes[name] = _AccountSlot(self._queue.waiting())
        if throttle_key.busy >= _IN_A_LANE:
            throttle_key.waiting.push(key)
            return
        throttle_key.busy += 1
        try:
            await self._in_lane(throttle_key, work)
            while self._may_work() and (waits := throttle_key.waiting.peek_due()) is not None:
                if self._throttle_key(waits) != name:
                    break
                found = throttle_key.waiting.pop()
                assert found is not None
                work = found
                self._take_in_hand(task, work)
                await self._in_lane(throttle_key, work)
        finally:
            throttle_key.busy -= 1
            if not throttle_key.busy or self._throttle_key(work.key) is None:
                while (waits := throttle_key.waiting.pop_due()) is not None:
                    self._return_to_queue(waits)
            if not throttle_key.busy:
                self._lanes.pop(name, None)

    async def _in_lane(self, throttle_key: _AccountSlot, work: Work) -> None:
        throttle_key.waiting.started(work.namespace)
        try:
            await self._handle(work.key, partial(self._run_to_completion, work.key))
        finally:
            throttle_key.waiting.finished(work.namespace)

    def _return_to_queue(self, key: str) -> None:
        self._queue.done(key, due=None)
        self._queue.add(key)

    def _may_work(self) -> bool:
        return self._elector.holds() and not self._closing

    def _in_hand(self) -> int:
        return len(self._workers) + self._queue.rests()

    async def _run_to_completion(self, key: str) -> datetime | None:
        """A journal that was begun is not left for others to begin theirs."""
        due = await self._run_with_deferred(key)
        for _ in range(_STEPS_AT_ONCE):
            if due is None or due > self._clock():
                break
            self._requeue_now(key)
            due = await self._run_with_deferred(key)
        return due

    async def _run_with_deferred(self, key: str) -> datetime | None:
        found = await self._reconcile(key)
        return await found.finish() if isinstance(found, DeferredStatusWrite) else found

    async def _handle(self, key: str, step: _Step) -> None:
        try:
            found = await step()
        except ConflictError:
            self._queue.done(key, due=self._requeue_now(key))
        except LostLeaseError:
            self._return_to_queue(key)
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("%s %s: status update failed, retrying: %s", self._name, key, error)
            self._retry(key)
        except Exception:
            _LOG.exception("%s %s: unexpected error, retrying", self._name, key)
            self._retry(key)
        else:
            if isinstance(found, DeferredStatusWrite):
                self._queue.push_rest(key, found)
            else:
                self._done(key, due=found)

    def _done(self, key: str, *, due: datetime | None) -> None:
        self._failures.pop(key, None)
        if due is not None and due <= self._clock():
            due = self._requeue_now(key)
        else:
            self._immediate_requeues.pop(key, None)
        self._queue.done(key, due=due, settled=self._settled(key))

    def _requeue_now(self, key: str) -> datetime:
        """When a key is taken again that is due at once: now, unless that never ends.

        A due time that stays in the past is a mistake of ours, and would keep everybody busy.
        """
        now = self._clock()
        steps = self._immediate_requeues[key] = self._immediate_requeues.get(key, 0) + 1
        if steps <= _STEPS_AT_ONCE:
            return now
        if steps == _STEPS_AT_ONCE + 1:
            _LOG.warning(
                "%s %s: requeued immediately %d times, backing off", self._name, key, steps
            )
        return now + _pause(steps - _STEPS_AT_ONCE)

    def _retry(self, key: str) -> None:
        """What the status cannot hold, as it could not be written, is counted here."""
        attempts = self._failures[key] = self._failures.get(key, 0) + 1
        self._queue.done(key, due=self._clock() + _pause(attempts), settled=True)


def _pause(attempts: int) -> timedelta:
    doubled: timedelta = _FIRST_RETRY * 2 ** min(attempts - 1, 10)
    return min(doubled, _LAST_RETRY)
