"""Who runs the long-lived tasks of this room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

Work = Callable[[], Coroutine[Any, Any, None]]


class Tasks(Protocol):
    """Runs named tasks until they are cancelled; the operator's own restarts what ends."""

    def start(self, name: str, work: Work, *, kind: str = "") -> None:
        """Run it."""

    def cancel(self, name: str) -> None:
        """End it, and do not wait for that; nothing where it does not run."""

    async def stop(self, name: str) -> None:
        """End it, and wait until it has ended."""


class PlainTasks:
    """Restarts nothing."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Work, *, kind: str = "") -> None:
        """Run it."""
        del kind
        self._tasks[name] = asyncio.create_task(work(), name=name)

    def cancel(self, name: str) -> None:
        """End it."""
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    async def stop(self, name: str) -> None:
        """End it, and wait until it has ended."""
        task = self._tasks.get(name)
        self.cancel(name)
        await asyncio.gather(*([task] if task is not None else []), return_exceptions=True)
