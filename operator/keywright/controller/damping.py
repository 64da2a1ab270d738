"""Pauses for objects that another manager changes again and again without asking for anything."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from keywright.clouds.sessions import Clock
from keywright.controller.records import GrantRecord

_LOG = logging.getLogger(__name__)
_IMMEDIATE: Final = 5
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=1)
_CALM: Final = timedelta(minutes=10)
# What a change of these asks for is done at once.
_REQUESTS: Final = ("generation", "deletionTimestamp", "annotations")


def is_request(before: GrantRecord, after: GrantRecord) -> bool:
    """Whether the change of a grant asks for something: an edit, a deletion or a renewal.

    A status or finalizer that somebody else has written is none: it is only put right.
    """
    old, new = before.parsed()["metadata"], after.parsed()["metadata"]
    return any(old.get(name) != new.get(name) for name in _REQUESTS)


class Damper:
    """Counts the changes of each object; after five in a row the reaction to the next ones waits.

    The pause doubles from a second to a minute, and starts anew after ten minutes without a change.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, datetime]] = {}

    def due(self, key: str, *, name: str) -> datetime | None:
        """When to react to a change that has come now; None for at once."""
        now = self._clock()
        count, last = self._seen.get(key, (0, now))
        count = count + 1 if timedelta(0) <= now - last < _CALM else 1
        self._seen[key] = (count, now)
        if count <= _IMMEDIATE:
            return None
        if count == _IMMEDIATE + 1:
            _LOG.warning(
                "status or finalizers of %s were changed by another manager %d times, retrying"
                " after pauses of up to a minute",
                name,
                count,
            )
        pause: timedelta = _FIRST_PAUSE * 2 ** min(count - _IMMEDIATE - 1, 10)
        return now + min(pause, _LONGEST_PAUSE)

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._seen.pop(key, None)
