"""How fast an account of a cloud is asked: as fast as it answers, once it has said "slow down".

Each account has a limit of its own for each service, which nobody is told. A refusal for speed sets
the pace to what was let through just before; each second without one raises it by a fiftieth, until
it is so high that no pace is needed. Callers wait for their turn in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_OBSERVED_SECONDS: Final = 2.0
_CAUTION: Final = 0.8
_RAISE: Final = 1.02
_SLOWEST: Final = 0.5
_FAST_ENOUGH: Final = 50.0
# Refusals of calls that were on their way already are no news.
_SAME_NEWS_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Pace:
    """Calls a second; None where there is no need."""

    accepted: deque[float] = field(default_factory=deque)
    rate: float | None = None
    next_at: float = 0.0
    changed_at: float = 0.0


class Pacing:
    """The pace of each account and service; `clock` is a monotonic one, in seconds."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._paces: dict[tuple[str, str], _Pace] = {}

    def is_paced(self, account: str) -> bool:
        """Whether any service of the account has said "slow down" of late."""
        return any(
            pace.rate is not None for (name, _), pace in self._paces.items() if name == account
        )

    def turn(self, account: str, service: str) -> float:
        """Takes the next turn; how many seconds it is away."""
        pace = self._paces.get((account, service))
        if pace is None or pace.rate is None:
            return 0.0
        now = self._clock()
        at = max(now, pace.next_at)
        pace.next_at = at + 1.0 / pace.rate
        return at - now

    async def wait(self, account: str, service: str) -> None:
        """Return when it is the caller's turn."""
        seconds = self.turn(account, service)
        if seconds:
            await asyncio.sleep(seconds)

    def accepted(self, account: str, service: str) -> None:
        """A call was let through."""
        now, pace = self._clock(), self._paces.setdefault((account, service), _Pace())
        pace.accepted.append(now)
        while pace.accepted[0] < now - _OBSERVED_SECONDS:
            pace.accepted.popleft()
        if pace.rate is not None and now - pace.changed_at >= 1.0:
            pace.rate, pace.changed_at = pace.rate * _RAISE, now
            if pace.rate > _FAST_ENOUGH:
                pace.rate = None

    def throttled(self, account: str, service: str) -> None:
        """A call was refused for the speed of the calls before it."""
        now, pace = self._clock(), self._paces.setdefault((account, service), _Pace())
        if pace.rate is not None and now - pace.changed_at < _SAME_NEWS_SECONDS:
            return
        let_through = sum(at >= now - _OBSERVED_SECONDS for at in pace.accepted)
        seen = _CAUTION * let_through / _OBSERVED_SECONDS
        slower = seen if pace.rate is None else min(seen, pace.rate * _CAUTION)
        pace.rate, pace.changed_at = max(_SLOWEST, slower), now
        pace.next_at = max(pace.next_at, now + 1.0 / pace.rate)
