"""Coalesce many calls in a short time into two: the first one, and one for all that followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_SECONDS = 0.2


class Coalesced:
    """Calls immediately, and then at most once per interval; the last call is never lost."""

    def __init__(self, call: Callable[[], None], *, seconds: float = _SECONDS) -> None:
        self._call = call
        self._seconds = seconds
        self._called_at = float("-inf")
        self._planned: asyncio.Handle | None = None

    def __call__(self) -> None:
        """Call now, or as soon as the interval has elapsed."""
        if self._planned is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._called_at + self._seconds - loop.time()
        if wait <= 0:
            self._now()
        else:
            self._planned = loop.call_later(wait, self._now)

    def _now(self) -> None:
        self._planned = None
        self._called_at = asyncio.get_running_loop().time()
        self._call()
