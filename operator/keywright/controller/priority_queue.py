"""Keys that wait for a worker, in the order of their priority.

Priorities change while keys wait: a key that was in no danger when it came ends at last, and must
not stay behind all that ended before it. So whatever waits is put in order anew once a second.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from keywright.planning.priority import LAST, NO_PRIORITY, Priority

Order = Callable[[str], Priority]
_LOG = logging.getLogger(__name__)
_ORDER_HOLDS = timedelta(seconds=1)


def fifo(_: str) -> Priority:
    """No key goes before another."""
    return NO_PRIORITY


class PriorityQueue:
    """The first by `order` comes out first, as it was a second ago; of equals, the first in."""

    def __init__(self, order: Order, *, now: Callable[[], datetime]) -> None:
        self._order = order
        self._now = now
        self._ordered_at = now()
        self._heap: list[tuple[Priority, int, str]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, key: str) -> None:
        """The key waits."""
        if not self._heap:
            self._ordered_at = self._now()
        heapq.heappush(self._heap, (self._place(key), next(self._numbers), key))

    def reorder(self) -> None:
        """Each key waits at the place that is its own by now."""
        self._heap = [(self._place(key), number, key) for _, number, key in self._heap]
        heapq.heapify(self._heap)
        self._ordered_at = self._now()

    def first(self) -> str:
        """The key that is next."""
        self._refresh_order()
        return self._heap[0][2]

    def first_priority(self) -> Priority:
        """The priority of the next key, as it was when the keys were last ordered."""
        return self._heap[0][0]

    def pop(self) -> str:
        """The key that is next, which waits no more."""
        self._refresh_order()
        return heapq.heappop(self._heap)[2]

    def _place(self, key: str) -> Priority:
        """The priority; the last one where it cannot be told, as no key may be lost for that."""
        try:
            return self._order(key)
        except Exception:
            _LOG.exception("ordering %s failed, it goes last", key)
            return LAST

    def _refresh_order(self) -> None:
        if self._now() - self._ordered_at >= _ORDER_HOLDS:
            self.reorder()
