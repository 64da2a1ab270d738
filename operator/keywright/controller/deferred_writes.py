"""The parts of reconciles that can be deferred while other keys are due.

If more is due than can be handled, a Secret that is written late delays a client; a late status
delays no client. So Secrets are written first; after fifteen seconds both alternate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_PATIENCE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class DeferredStatusWrite:
    """The deferred part of a reconcile; `finish` returns when the key is due again."""

    finish: Callable[[], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class _Deferred:
    key: str
    rest: DeferredStatusWrite
    until: datetime


@dataclass(slots=True)
class DeferredWrites:
    """The deferred writes of keys in progress, oldest first."""

    now: Callable[[], datetime]
    _left: deque[_Deferred] = field(default_factory=deque)
    _had_a_turn: bool = False

    def __len__(self) -> int:
        return len(self._left)

    def push(self, key: str, rest: DeferredStatusWrite) -> None:
        """Add a deferred write, which waits for a limited time."""
        self._left.append(_Deferred(key, rest, self.now() + _PATIENCE))

    def are_overdue(self) -> bool:
        """Whether the oldest has waited long enough to be written before a due key."""
        return bool(self._left) and self._left[0].until <= self.now()

    def take_turn(self) -> bool:
        """Whether the oldest is written before a due key now: it has waited long enough.

        True at most every other time: otherwise due keys would wait behind all of them.
        """
        self._had_a_turn = self.are_overdue() and not self._had_a_turn
        return self._had_a_turn

    def pop(self) -> tuple[str, DeferredStatusWrite]:
        """Remove and return the oldest, with its key."""
        left = self._left.popleft()
        return left.key, left.rest
