"""Keys that wait for a worker, in the order of their priority."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from keywright.planning.priority import NO_PRIORITY, Priority

Order = Callable[[str], Priority]


def as_they_came(_: str) -> Priority:
    """No key goes before another."""
    return NO_PRIORITY


class Waiting:
    """The first by `order` comes out first, as it was when it came in; of equals, the first in."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._heap: list[tuple[Priority, int, str]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, key: str) -> None:
        """The key waits."""
        heapq.heappush(self._heap, (self._order(key), next(self._numbers), key))

    def reorder(self) -> None:
        """Each key waits at the place that is its own by now."""
        self._heap = [(self._order(key), number, key) for _, number, key in self._heap]
        heapq.heapify(self._heap)

    def first(self) -> str:
        """The key that is next."""
        return self._heap[0][2]

    def pop(self) -> str:
        """The key that is next, which waits no more."""
        return heapq.heappop(self._heap)[2]
