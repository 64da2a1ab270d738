"""The emulator's current time: the machine's clock plus an offset that a test sets."""

from __future__ import annotations

import time
from email.utils import formatdate


class Clock:
    """Seconds since the epoch, shifted by `offset_seconds`."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self._dates: dict[str, float] = {}

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset_seconds

    def shift_dates(self, *, seconds: float, host: str) -> None:
        """Shift the Date of every response of a host by that many seconds; nothing else changes."""
        self._dates[host] = seconds

    def date_header(self, host: str) -> dict[str, str]:
        """The Date of a response of a host if it is shifted; otherwise the server adds its own."""
        seconds = self._dates.get(host)
        return {} if not seconds else {"Date": formatdate(time.time() + seconds, usegmt=True)}
