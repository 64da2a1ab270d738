"""Measure the lag of the event loop, and log the code that blocks it.

A task beats on the loop; a thread notices a late beat, and inspects the stack of the loop's thread
at that moment. It logs positions in the code, never values.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

_BEAT_SECONDS = 0.1
_LATE_SECONDS = 0.25
_FRAMES = 8
_LOG = logging.getLogger(__name__)


class LoopWatchdog:
    """Calls `observe` with the lag of each beat, in seconds."""

    def __init__(
        self, observe: Callable[[float], None], *, late_seconds: float = _LATE_SECONDS
    ) -> None:
        self._observe = observe
        self._late = late_seconds
        self._expected = time.monotonic()

    async def run(self) -> None:
        """Beat until cancelled."""
        stopped = threading.Event()
        self._expected = time.monotonic() + _BEAT_SECONDS
        sampler = threading.Thread(
            target=self._sample,
            args=(threading.get_ident(), stopped),
            name="event loop watchdog",
            daemon=True,
        )
        sampler.start()
        try:
            while True:
                await asyncio.sleep(_BEAT_SECONDS)
                now = time.monotonic()
                self._observe(max(0.0, now - self._expected))
                self._expected = now + _BEAT_SECONDS
        finally:
            stopped.set()

    def _sample(self, loop_thread: int, stopped: threading.Event) -> None:
        reported, pause = 0.0, self._late
        # Woken only when a beat would be late: each time it takes the interpreter from the loop.
        while not stopped.wait(pause):
            expected = self._expected
            late = time.monotonic() - expected
            if late < self._late or expected == reported:
                pause = self._late - late if late < self._late else _BEAT_SECONDS
                continue
            reported, pause = expected, _BEAT_SECONDS
            where = _places(sys._current_frames().get(loop_thread))  # noqa: SLF001  its documented use
            _LOG.warning("event loop lag error: no turn for %.0f ms, in %s", late * 1000, where)


def _places(frame: FrameType | None) -> str:
    """The innermost positions of a stack, the innermost first."""
    places: list[str] = []
    while frame is not None and len(places) < _FRAMES:
        code = frame.f_code
        path = Path(code.co_filename)
        places.append(f"{path.parent.name}/{path.name}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(places) or "an unknown place"
