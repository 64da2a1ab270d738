"""The emulator's idea of now: the machine's clock plus an offset that a test sets."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch, shifted by `offset_seconds`."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset_seconds
