"""Reconcile one key of a queue, and requeue it by the result."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from keywright.api.errors import ApiError, ApiUnreachableError, ConflictError, LostLeaseError
from keywright.clouds.sessions import Clock
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.fairness import Work
from keywright.controller.queue import DelayingQueue

Reconcile = Callable[[str], Awaitable[datetime | DeferredStatusWrite | None]]
_Step = Callable[[], Awaitable[datetime | DeferredStatusWrite | None]]

_LOG = logging.getLogger(__name__)
_FIRST_RETRY = timedelta(milliseconds=250)
_LAST_RETRY = timedelta(seconds=30)
_STEPS_AT_ONCE = 16


class KeyRunner:
    """Runs the reconciles of one queue; a failure never ends the worker.

    `settled` returns whether all events for a key since it was taken are echoes of the operator's
    own writes.
    """

    def __init__(
        self,
        name: str,
        *,
        queue: DelayingQueue,
        reconcile: Reconcile,
        settled: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._name = name
        self._queue = queue
        self._reconcile = reconcile
        self._settled = settled
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._immediate_requeues: dict[str, int] = {}

    async def run(self, work: Work) -> None:
        """Reconcile the key, or finish the deferred write of its last reconcile."""
        step = partial(self._reconcile, work.key) if work.rest is None else work.rest.finish
        await self._handle(work.key, step)

    async def run_to_completion(self, key: str) -> None:
        """Reconcile the key until nothing more is due now, and write its status.

        A journal that was begun is completed, so that other replicas do not begin another.
        """
        await self._handle(key, partial(self._all_steps, key))

    def retry(self, key: str) -> None:
        """Requeue the key after a back-off.

        Counts the failures that no status counts, since the status could not be written.
        """
        attempts = self._failures[key] = self._failures.get(key, 0) + 1
        self._queue.done(key, due=self._clock() + _pause(attempts), settled=True)

    def give_back(self, key: str) -> None:
        """Requeue the key unchanged."""
        self._queue.done(key, due=None)
        self._queue.add(key)

    async def _all_steps(self, key: str) -> datetime | None:
        due = await self._with_deferred(key)
        for _ in range(_STEPS_AT_ONCE):
            if due is None or due > self._clock():
                break
            self._requeue_now(key)
            due = await self._with_deferred(key)
        return due

    async def _with_deferred(self, key: str) -> datetime | None:
        found = await self._reconcile(key)
        return await found.finish() if isinstance(found, DeferredStatusWrite) else found

    async def _handle(self, key: str, step: _Step) -> None:
        try:
            found = await step()
        except ConflictError:
            self._queue.done(key, due=self._requeue_now(key))
        except LostLeaseError:
            self.give_back(key)
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("%s %s: status update failed, retrying: %s", self._name, key, error)
            self.retry(key)
        except Exception:
            _LOG.exception("%s %s: unexpected error, retrying", self._name, key)
            self.retry(key)
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
        """When a key that is due immediately is taken again: now, unless that repeats endlessly.

        A due time that stays in the past is a bug, and would keep all workers busy.
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


def _pause(attempts: int) -> timedelta:
    doubled: timedelta = _FIRST_RETRY * 2 ** min(attempts - 1, 10)
    return min(doubled, _LAST_RETRY)
