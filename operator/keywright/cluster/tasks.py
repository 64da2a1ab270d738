"""The interface for running long-lived tasks of this package."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

Work = Callable[[], Coroutine[Any, Any, None]]


class Tasks(Protocol):
    """Runs named tasks until they are cancelled; the operator's own restarts tasks that end."""

    def start(self, name: str, work: Work, *, kind: str = "") -> None:
        """Start a task."""

    def cancel(self, name: str) -> None:
        """Cancel a task without waiting for its end; nothing if it does not run."""

    async def stop(self, name: str) -> None:
        """Cancel a task, and wait for its end."""


class PlainTasks:
    """Runs tasks without restarting them."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Work, *, kind: str = "") -> None:
        """Start a task."""
        del kind
        self._tasks[name] = asyncio.create_task(work(), name=name)

    def cancel(self, name: str) -> None:
        """Cancel a task."""
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    async def stop(self, name: str) -> None:
        """Cancel a task, and wait for its end."""
        task = self._tasks.get(name)
        self.cancel(name)
        await asyncio.gather(*([task] if task is not None else []), return_exceptions=True)
