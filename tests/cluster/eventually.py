"""Waiting for what another process brings about: by its condition, never by a pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.25


def eventually(
    probe: Callable[[], _Found],
    *,
    seconds: float = 20.0,
    reported: Callable[[], object] | None = None,
) -> _Found:
    """The first true answer of `probe`.

    Raises:
        AssertionError: there was none in time; it tells the last answer, or what `told` returns.
    """
    pause = _FIRST_PAUSE
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            last = reported() if reported else found
            raise AssertionError(f"not within {seconds} s; last seen: {last}")
        time.sleep(pause)
        # What takes long is not hurried by being asked for: the machine is left to it.
        pause = min(_LONGEST_PAUSE, pause * 1.1)
    return found
