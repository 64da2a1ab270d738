"""Workers take keys from a queue and reconcile them; a failure never ends the others.

A `WorkerPool` decides how many workers there are and what each of them takes. `KeyRunner` runs the
reconcile, `ThrottledAccounts` slows down keys of throttling clouds, `DeferredWrites` (in the queue)
holds what can be deferred, and the `Supervisor` restarts the dispatcher.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from keywright.clouds.sessions import Clock
from keywright.clouds.slots import PATIENCE_SECONDS, Slot, Slots, work_in
from keywright.controller.fairness import Work
from keywright.controller.key_runner import KeyRunner, Reconcile
from keywright.controller.queue import DelayingQueue, Demand
from keywright.controller.supervision import Supervisor
from keywright.controller.throttling import ThrottledAccounts, not_throttled

_LOG = logging.getLogger(__name__)
# A Lease that has ended is given up, or renewed after a freeze, while other tasks run.
_LEASE_PAUSE_SECONDS = 0.01


class LeaderCheck(Protocol):
    """Whether this process is the leader."""

    elected: asyncio.Event

    def holds(self) -> bool:
        """Whether it is the leader at this moment."""


@dataclass(frozen=True, slots=True)
class _InHand:
    """The work of a worker, and its slot."""

    work: Work
    slot: Slot


class WorkerPool:
    """Workers on one queue: `size` of them, and more if a namespace would wait for another.

    A dispatcher starts workers; each takes keys until none is left for it. Of `size` workers that
    are busy, those that have waited for a cloud for longer than `patience_seconds` do not count for
    a namespace that has fewer keys in progress than the queue guarantees: another worker serves it,
    up to `limit` in all. Hanging calls delay no other namespace.

    `throttle_key` returns the throttled account of a key, None if its account is not throttled.
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
        throttle_key: Callable[[str], str | None] = not_throttled,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._name = name
        self._queue = queue
        self._runner = KeyRunner(
            name, queue=queue, reconcile=reconcile, settled=settled, clock=clock
        )
        self._throttled = ThrottledAccounts(throttle_key, queue=queue, runner=self._runner)
        self._elector = elector
        self._ready = ready
        self._size = size
        self._limit = max(size, limit or size)
        self._supervisor = supervisor or Supervisor(restarted=lambda _: None)
        self._workers: dict[asyncio.Task[None], _InHand | None] = {}
        self._slots = Slots(patience_seconds=patience_seconds)
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
        """Take nothing new, wait for work in progress, and cancel it after `seconds`."""
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
                # Keys that were queued until now were ordered before all objects were known.
                self._begun = True
                self._queue.reorder()
            if not self._may_work():
                # The Lease has ended, and a timer that is due is about to say so: let it run.
                await asyncio.sleep(_LEASE_PAUSE_SECONDS)
                continue
            while (work := self._next(busy=len(self._workers))) is not None:
                self._start_worker(work)
            demand = self._demand(busy=len(self._workers))
            held_up = demand == "none" and self._queue.may_start()
            seconds = self._slots.seconds_until_slow() if held_up else None
            await self._queue.news(demand, seconds=seconds)

    def _demand(self, *, busy: int) -> Demand:
        if busy < self._size:
            return "any"
        return "guaranteed" if busy < self._limit and self._slots.prompt() < self._size else "none"

    def _next(self, *, busy: int) -> Work | None:
        """The next work, while `busy` workers have some already."""
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
            account = self._throttled.account_of(work.key) if work.rest is None else None
            if account is None:
                await self._runner.run(work)
            else:
                await self._throttled.run(
                    account,
                    work,
                    take=partial(self._take_in_hand, task),
                    may_work=self._may_work,
                )
            self._put_down(task)
            work = self._next(busy=len(self._workers) - 1)

    def _assign(self, task: asyncio.Task[None], work: Work) -> _InHand:
        self._put_down(task)
        found = self._workers[task] = _InHand(work, self._slots.take())
        self._queue.started(work.namespace)
        return found

    def _take_in_hand(self, task: asyncio.Task[None], work: Work) -> None:
        """Assign the work to the task; called in the task."""
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
        """A worker has no more work, or has failed: its key is requeued."""
        had = self._workers[task]
        self._put_down(task)
        del self._workers[task]
        error = None if task.cancelled() else task.exception()
        if had is not None and not self._closing:
            kind = f"{self._name} worker"
            self._supervisor.restarted(kind)
            _LOG.error("%s failed, retrying %s", kind, had.work.key, exc_info=error)
            self._runner.retry(had.work.key)
        free = self._size - 1 in (len(self._workers), self._slots.prompt())
        if not self._may_work() or free or self._queue.may_start():
            # The dispatcher would not notice a Lease that is regained, a free worker, nor that a
            # namespace has fewer keys in progress now than guaranteed.
            self._queue.wake()
        if not self._in_hand():
            self._idle.set()

    def _may_work(self) -> bool:
        return self._elector.holds() and not self._closing

    def _in_hand(self) -> int:
        return len(self._workers) + self._queue.rests()
