"""What is left of reconciles and can wait while other keys are due.

Where more is due than can be done, a Secret that is written late makes a reader wait; a status
that is late makes nobody wait. So Secrets go first; after fifteen seconds they take turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_PATIENCE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class DeferredStatusWrite:
    """What is left of a reconcile; `finish` returns when the key must be looked at again."""

    finish: Callable[[], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class _Deferred:
    key: str
    rest: DeferredStatusWrite
    until: datetime


@dataclass(slots=True)
class DeferredWrites:
    """The rests of keys that are still in hand, the oldest first."""

    now: Callable[[], datetime]
    _left: deque[_Deferred] = field(default_factory=deque)
    _had_a_turn: bool = False

    def __len__(self) -> int:
        return len(self._left)

    def push(self, key: str, rest: DeferredStatusWrite) -> None:
        """It waits, but not for ever."""
        self._left.append(_Deferred(key, rest, self.now() + _PATIENCE))

    def are_overdue(self) -> bool:
        """True if the oldest has waited long enough to go before a key that is due."""
        return bool(self._left) and self._left[0].until <= self.now()

    def take_turn(self) -> bool:
        """Whether the oldest goes before a key that is due: it has waited long enough.

        True every other time at most: keys that are due would else stand still behind them all.
        """
        self._had_a_turn = self.are_overdue() and not self._had_a_turn
        return self._had_a_turn

    def pop(self) -> tuple[str, DeferredStatusWrite]:
        """The oldest, with its key."""
        left = self._left.popleft()
        return left.key, left.rest
