"""Keep the long-lived tasks of the process running.

A task that ends without being stopped, by an error, by returning or by a stray cancellation, is
logged, counted and restarted after a back-off. A task that keeps failing makes the liveness probe
fail, so that the kubelet restarts the container.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Work = Callable[[], Coroutine[Any, Any, None]]
Later = Callable[[float, Callable[[], None]], asyncio.Handle]

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 15.0
# A task that ran for this long has recovered: its next failure resets the back-off.
_STEADY_SECONDS = 60.0
# Together about a minute of back-off.
_FAILURES_TO_GIVE_UP = 10


def _on_the_loop(seconds: float, call: Callable[[], None]) -> asyncio.Handle:
    return asyncio.get_running_loop().call_later(seconds, call)


@dataclass(slots=True)
class _Entry:
    """One task that runs until it is stopped."""

    name: str
    kind: str
    work: Work
    task: asyncio.Task[None] | None = None
    timer: asyncio.Handle | None = None
    started: float = 0.0
    failures: int = 0

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


@dataclass(slots=True)
class Supervisor:
    """Starts, restarts and stops tasks.

    `restarted` counts a restart by the kind of task; `monotonic` is in seconds. `later` calls a
    function after a delay in seconds, as the event loop does.
    """

    restarted: Callable[[str], None]
    monotonic: Callable[[], float] = time.monotonic
    later: Later = _on_the_loop
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _closing: bool = False

    def start(self, name: str, work: Work, *, kind: str = "") -> None:
        """Run `work` until `stop`; `kind` is the label of its metric, from a bounded set."""
        if name in self._entries:
            raise ValueError(f"task {name} is running already")
        entry = self._entries[name] = _Entry(name, kind or name, work)
        self._spawn(entry)

    def close(self) -> None:
        """Stop restarting: the process is shutting down, and its tasks may end."""
        self._closing = True

    def cancel(self, name: str) -> None:
        """Cancel a task without waiting for its end; nothing if it does not run."""
        if (entry := self._entries.pop(name, None)) is not None:
            entry.cancel()

    async def stop(self, name: str) -> None:
        """Cancel a task and wait for its end; nothing if it does not run."""
        await self._end([entry] if (entry := self._entries.pop(name, None)) else [])

    async def stop_all(self) -> None:
        """Cancel every task and wait until all have ended."""
        entries, self._entries = list(self._entries.values()), {}
        await self._end(entries)

    def problem(self) -> str:
        """Why the process is not live: a task that keeps failing; empty if there is none."""
        failing = sorted(
            entry.name for entry in self._entries.values() if self._keeps_failing(entry)
        )
        return f"task {failing[0]} keeps failing" if failing else ""

    def _keeps_failing(self, entry: _Entry) -> bool:
        steady = entry.timer is None and self.monotonic() - entry.started >= _STEADY_SECONDS
        return entry.failures >= _FAILURES_TO_GIVE_UP and not steady

    def _spawn(self, entry: _Entry) -> None:
        entry.timer, entry.started = None, self.monotonic()
        entry.task = asyncio.create_task(entry.work(), name=entry.name)
        entry.task.add_done_callback(lambda task: self._ended(entry, task))

    def _ended(self, entry: _Entry, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._closing or self._entries.get(entry.name) is not entry:
            return
        if self.monotonic() - entry.started >= _STEADY_SECONDS:
            entry.failures = 0
        entry.failures += 1
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** (entry.failures - 1), _MAX_PAUSE_SECONDS)
        ending = "was cancelled" if task.cancelled() else "returned"
        why = ending if error is None else type(error).__name__
        _LOG.error(
            "task %s failed: %s; restarting in %.1f s", entry.name, why, pause, exc_info=error
        )
        self.restarted(entry.kind)
        entry.timer = self.later(pause, partial(self._spawn, entry))

    async def _end(self, entries: list[_Entry]) -> None:
        for entry in entries:
            entry.cancel()
        tasks = [entry.task for entry in entries if entry.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
