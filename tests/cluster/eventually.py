"""Waiting for what another process brings about: by its condition, never by a pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")
_POLL_SECONDS = 0.02


def eventually(
    probe: Callable[[], _Found], *, seconds: float = 20.0, told: Callable[[], object] | None = None
) -> _Found:
    """The first true answer of `probe`.

    Raises:
        AssertionError: there was none in time; it tells the last answer, or what `told` returns.
    """
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            last = told() if told else found
            raise AssertionError(f"not within {seconds} s; last seen: {last}")
        time.sleep(_POLL_SECONDS)
    return found
