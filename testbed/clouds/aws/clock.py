"""The emulator's idea of now: the machine's clock plus an offset that a test sets."""

from __future__ import annotations

import datetime
import time


class Clock:
    """Seconds since the epoch, shifted by `offset_seconds`."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset_seconds


def compact(seconds: float) -> str:
    """The form of X-Amz-Date: 20260102T030405Z."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def from_compact(text: str) -> float | None:
    """Seconds since the epoch of an X-Amz-Date, None when it has another form."""
    try:
        return datetime.datetime.strptime(f"{text}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    except ValueError:
        return None
