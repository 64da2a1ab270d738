"""The format of X-Amz-Date."""

from __future__ import annotations

import datetime


def compact(seconds: float) -> str:
    """A time as 20260102T030405Z, from seconds since the epoch."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def from_compact(text: str) -> float | None:
    """Seconds since the epoch of an X-Amz-Date, None for another format."""
    try:
        return datetime.datetime.strptime(f"{text}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    except ValueError:
        return None
