"""Keys that wait for a worker, ordered by priority.

Priorities change while keys wait: a key that was in no danger when it was queued expires in the
end, and must not stay behind those that expired before. So the order is recomputed once a second.
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
    """The same priority for all keys."""
    return NO_PRIORITY


class PriorityQueue:
    """A priority queue by `order`, recomputed at most once a second; FIFO among equals."""

    def __init__(self, order: Order, *, now: Callable[[], datetime]) -> None:
        self._order = order
        self._now = now
        self._ordered_at = now()
        self._heap: list[tuple[Priority, int, str]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, key: str) -> None:
        """Add a key."""
        if not self._heap:
            self._ordered_at = self._now()
        heapq.heappush(self._heap, (self._place(key), next(self._numbers), key))

    def reorder(self) -> None:
        """Recompute the order of all keys."""
        self._heap = [(self._place(key), number, key) for _, number, key in self._heap]
        heapq.heapify(self._heap)
        self._ordered_at = self._now()

    def first(self) -> str:
        """The next key."""
        self._refresh_order()
        return self._heap[0][2]

    def first_priority(self) -> Priority:
        """The priority of the next key, as of the last reordering."""
        return self._heap[0][0]

    def pop(self) -> str:
        """Remove and return the next key."""
        self._refresh_order()
        return heapq.heappop(self._heap)[2]

    def _place(self, key: str) -> Priority:
        """The priority; the last known one if it cannot be computed, so that no key is lost."""
        try:
            return self._order(key)
        except Exception:
            _LOG.exception("ordering %s failed, it goes last", key)
            return LAST

    def _refresh_order(self) -> None:
        if self._now() - self._ordered_at >= _ORDER_HOLDS:
            self.reorder()
