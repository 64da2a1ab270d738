"""Fair queueing by namespace: no namespace waits for the work of another one.

Keys that have expired or are about to are handled first, by expiry, from all namespaces: after a
failover everything is due together, and the order decides whether a client reads an expired key.
Such turns have a budget for each namespace and one for all, since tenants control the dates.

Every other turn goes to the namespace with the fewest keys in progress; among equals, to the one
that has waited the longest, with a bounded head start for keys that are about to expire. Within a
namespace keys are ordered by priority, with deferred writes after due keys.

A share applies only while another namespace waits: one that is alone can use every worker.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from keywright.controller.deferred_writes import DeferredStatusWrite, DeferredWrites
from keywright.planning.priority import (
    HEAD_START_SECONDS,
    LAST,
    NO_PRIORITY,
    URGENCY_LABELS,
    Priority,
    Urgency,
)

Namespace = Callable[[str], str]
"""Returns the namespace of a key."""

_Rank = tuple[bool, bool, bool, float, float]
_RANKS_HOLD = timedelta(seconds=1)
# The time in which an exhausted budget of urgent turns is refilled, in seconds: the budget of a
# namespace, and that of all namespaces, which is eight times as large.
_REFILL_SECONDS: Final = 4.0
_REFILL_SECONDS_OF_ALL: Final = 8.0
_BUDGETS_OF_ALL: Final = 8


def one_namespace(_: str) -> str:
    """All keys share one namespace."""
    return ""


@dataclass(frozen=True, slots=True)
class Work:
    """The unit of work of a worker: a due key, or the deferred write of its reconcile."""

    key: str
    namespace: str
    rest: DeferredStatusWrite | None = None


@dataclass(slots=True)
class _Budget:
    """Urgent turns that are left, refilled over time."""

    most: int
    seconds: float
    refilled_at: float
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = float(self.most)

    def refill(self, now: float) -> None:
        passed, self.refilled_at = max(0.0, now - self.refilled_at), now
        self.left = min(self.most, self.left + self.most * passed / self.seconds)


@dataclass(slots=True)
class _Share:
    """The waiting work of a namespace, and how much is in progress."""

    namespace: str
    due: PriorityQueue
    rests: DeferredWrites
    since: float
    urgent_turns: _Budget
    in_hand: int = 0
    rank: _Rank | None = None
    number: int = 0

    def waits(self) -> bool:
        return bool(self.due) or bool(self.rests)

    def may_forget(self) -> bool:
        """Whether it is indistinguishable from a new share."""
        unused = self.urgent_turns.left >= self.urgent_turns.most
        return unused and not self.waits() and not self.in_hand


class FairQueue:
    """Waiting keys and deferred writes, by namespace.

    `guaranteed` is how many keys of a namespace may always be in progress: while it has fewer, its
    deferred writes precede the keys of namespaces that have more, and `first_may_start` says so.
    `urgent_turns` is how many expired or soon expiring keys of a namespace precede all others in a
    row.
    """

    def __init__(
        self,
        order: Order,
        *,
        now: Callable[[], datetime],
        namespace: Namespace = one_namespace,
        guaranteed: int = 1,
        urgent_turns: int = 0,
    ) -> None:
        self._order = order
        self._now = now
        self._namespace = namespace
        self._guaranteed = guaranteed
        self._urgent_turns = urgent_turns
        self._urgent_turns_of_all = self._budget(
            _BUDGETS_OF_ALL * urgent_turns, seconds=_REFILL_SECONDS_OF_ALL
        )
        self._shares: dict[str, _Share] = {}
        self._ranked: list[tuple[_Rank, int, str]] = []
        self._numbers = count()
        self._ranked_at = now()
        self._due = 0
        self._rests = 0

    def __len__(self) -> int:
        return self._due

    @property
    def rests(self) -> int:
        """The number of waiting deferred writes."""
        return self._rests

    def count_by_urgency(self) -> dict[str, int]:
        """The number of due keys by their urgency, all of which are named; thread-safe."""
        found = Counter(
            urgency for share in list(self._shares.values()) for urgency in share.due.urgencies()
        )
        return {URGENCY_LABELS[urgency]: found[urgency] for urgency in Urgency}

    def push(self, key: str) -> None:
        """Add a due key."""
        share = self._share(self._namespace(key))
        share.due.push(key)
        self._due += 1
        self._rank(share)

    def push_rest(self, key: str, rest: DeferredStatusWrite) -> None:
        """Add a deferred write."""
        share = self._share(self._namespace(key))
        share.rests.push(key, rest)
        self._rests += 1
        self._rank(share)

    def pop(self) -> Work | None:
        """The next key or deferred write, None if nothing waits."""
        share = self._first()
        return None if share is None else self._pop_of(share)

    def pop_due(self) -> str | None:
        """The next key, None if none is due."""
        while self._due:
            share = self._first(with_due=True)
            assert share is not None
            key = share.due.pop()
            self._due -= 1
            self._settle(share)
            return key
        return None

    def pop_rest(self) -> Work | None:
        """Any deferred write, even if keys are due."""
        for share in self._shares.values():
            if share.rests:
                return self._rest_of(share)
        return None

    def peek_due(self) -> str | None:
        """The key that `pop_due` would return."""
        share = self._first(with_due=True) if self._due else None
        return None if share is None else share.due.first()

    def first_may_start(self) -> bool:
        """Whether the next work belongs to a namespace below its guaranteed share."""
        share = self._first()
        return share is not None and share.in_hand < self._guaranteed

    def started(self, namespace: str) -> None:
        """A worker has started with a key of the namespace."""
        share = self._share(namespace)
        share.in_hand += 1
        share.since = self._now().timestamp()
        self._rank(share)

    def finished(self, namespace: str) -> None:
        """A worker has finished a key of the namespace."""
        share = self._share(namespace)
        share.in_hand -= 1
        self._settle(share)

    def reorder(self) -> None:
        """Recompute the order of everything."""
        for share in self._shares.values():
            if share.due:
                share.due.reorder()
        self._rank_all()

    def _share(self, namespace: str) -> _Share:
        share = self._shares.get(namespace)
        if share is None:
            share = self._shares[namespace] = _Share(
                namespace,
                PriorityQueue(self._order, now=self._now),
                DeferredWrites(self._now),
                since=self._now().timestamp(),
                urgent_turns=self._budget(self._urgent_turns, seconds=_REFILL_SECONDS),
            )
        return share

    def _budget(self, most: int, *, seconds: float) -> _Budget:
        return _Budget(most, seconds=seconds, refilled_at=self._now().timestamp())

    def _is_urgent(self, share: _Share) -> bool:
        if not share.due or share.urgent_turns.left < 1 or self._urgent_turns_of_all.left < 1:
            return False
        return share.due.first_priority()[0] <= Urgency.ENDING

    def _spend(self, share: _Share) -> None:
        share.urgent_turns.left -= 1
        self._urgent_turns_of_all.left -= 1
        if self._urgent_turns_of_all.left < 1:
            # From here on, no namespace is before the others.
            self._rank_all()

    def _pop_of(self, share: _Share) -> Work:
        if share.rests and (not share.due or share.rests.take_turn()):
            return self._rest_of(share)
        if self._is_urgent(share):
            self._spend(share)
        key = share.due.pop()
        self._due -= 1
        self._settle(share)
        return Work(key, share.namespace)

    def _rest_of(self, share: _Share) -> Work:
        key, rest = share.rests.pop()
        self._rests -= 1
        self._settle(share)
        return Work(key, share.namespace, rest)

    def _settle(self, share: _Share) -> None:
        """Rank the share again, or drop it if its namespace has no work."""
        if share.may_forget():
            del self._shares[share.namespace]
        else:
            self._rank(share)

    def _rank(self, share: _Share) -> None:
        if not share.waits():
            share.rank = None
            return
        share.urgent_turns.refill(self._now().timestamp())
        urgency, place = share.due.first_priority() if share.due else NO_PRIORITY
        urgent = self._is_urgent(share)
        rank = (
            share.in_hand >= self._guaranteed,
            not share.due and not share.rests.are_overdue(),
            not urgent,
            float(urgency if urgent else share.in_hand),
            place if urgent else share.since - HEAD_START_SECONDS[urgency],
        )
        if rank != share.rank:
            share.rank, share.number = rank, next(self._numbers)
            heapq.heappush(self._ranked, (rank, share.number, share.namespace))

    def _rank_all(self) -> None:
        """Drop stale entries and recompute the ranks: keys get closer to expiry while waiting."""
        self._ranked_at = self._now()
        self._urgent_turns_of_all.refill(self._ranked_at.timestamp())
        self._ranked.clear()
        for share in tuple(self._shares.values()):
            share.urgent_turns.refill(self._ranked_at.timestamp())
            share.rank = None
            self._settle(share)

    def _first(self, *, with_due: bool = False) -> _Share | None:
        if self._now() - self._ranked_at >= _RANKS_HOLD:
            self._rank_all()
        passed = []
        found = None
        while self._ranked and found is None:
            entry = self._ranked[0]
            share = self._shares.get(entry[2])
            if share is None or share.rank is None or share.number != entry[1]:
                heapq.heappop(self._ranked)
            elif with_due and not share.due:
                passed.append(heapq.heappop(self._ranked))
            else:
                found = share
        for entry in passed:
            heapq.heappush(self._ranked, entry)
        return found


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

    def urgencies(self) -> list[Urgency]:
        """The urgency of each key, as of the last reordering; thread-safe."""
        return [entry[0][0] for entry in tuple(self._heap)]

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
