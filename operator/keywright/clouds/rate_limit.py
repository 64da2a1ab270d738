"""An adaptive rate limit for each account: no limit until the cloud throttles calls.

Each account has a limit for each service, which is unknown. If a share of the calls is throttled,
the rate is set to that of the calls accepted just before. It grows by a quarter each second until
it is back at that rate, then slowly, and faster the longer no call is throttled, until it is so
high that no limit is needed. Single throttled calls among many set no limit: the SDK retries them.
Tenants of one account alternate, each in its own order.

Operations with a fixed quota of their own (`FixedRate`) are limited to it from the first call on.

Calls only count for an account if a built-in host of the vendor reported it (`pace_key`): what a
custom endpoint reports could slow down the account of another tenant.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from keywright.api.source import CredentialSource
from keywright.clouds.bounded import LruDict

_ACCOUNTS: Final = 4096
_OBSERVED_SECONDS: Final = 2.0
# A larger share of throttled calls indicates a limit; a smaller one is left to retries.
_TOLERATED_SHARE: Final = 0.2
# With fewer calls than these, twice that share may be chance; a single one always may.
_MANY: Final = 10
_FEWEST: Final = 2
_MIN_SPAN: Final = 1.0
_CAUTION: Final = 0.8
_RECOVERY: Final = 1.25
_PROBING: Final = 0.02
_SLOWEST: Final = 0.5
_FAST_ENOUGH: Final = 50.0
# Throttled calls that were sent before the last change are ignored.
_SAME_NEWS_SECONDS: Final = 1.0
# An account without calls recovers as well, but only up to this limit.
_MAX_GROWTH_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class FixedRate:
    """A documented quota of the vendor: calls per second, and the burst."""

    per_second: float
    burst: int


def pace_key(source: CredentialSource, *, account: str | None) -> str:
    """The rate limit key of a source's calls: its account, or the source alone."""
    return account if account and not source.endpoint_field else f"source {source.uid}"


@dataclass(slots=True)
class _Pace:
    """Calls per second; None for no limit. `waiting` has the tenants in turn.

    `ceiling` is the accepted rate when calls were last throttled.
    """

    accepted: deque[float] = field(default_factory=deque)
    refused: deque[float] = field(default_factory=deque)
    rate: float | None = None
    ceiling: float = 0.0
    next_at: float = 0.0
    refused_at: float = 0.0
    grown_at: float = 0.0
    waiting: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    pump: asyncio.Task[None] | None = None

    def next_in_turn(self) -> asyncio.Future[None]:
        """The first waiter of the next tenant; the tenant moves to the end."""
        tenant, queue = next(iter(self.waiting.items()))
        del self.waiting[tenant]
        first = queue.popleft()
        if queue:
            self.waiting[tenant] = queue
        return first

    def observe(self, now: float) -> None:
        """Drop the responses that are older than the observation period."""
        for answers in (self.accepted, self.refused):
            while answers and answers[0] < now - _OBSERVED_SECONDS:
                answers.popleft()

    def is_refused_too_often(self) -> bool:
        """Whether the throttled share of the observed calls is more than chance."""
        calls = len(self.refused) + len(self.accepted)
        tolerated = _TOLERATED_SHARE if calls >= _MANY else 2 * _TOLERATED_SHARE
        return len(self.refused) >= _FEWEST and len(self.refused) / calls > tolerated

    def let_through(self, now: float) -> float:
        """Accepted calls per second, over the observation period or since the first of them."""
        if not self.accepted:
            return 0.0
        return len(self.accepted) / max(_MIN_SPAN, now - self.accepted[0])

    def grow(self, now: float) -> None:
        """Raise the rate for each second since it was last changed."""
        seconds = min(int(now - self.grown_at), _MAX_GROWTH_SECONDS)
        if self.rate is None or seconds < 1:
            return
        calm = self.grown_at - self.refused_at
        for each in range(seconds):
            probing = min(_RECOVERY, 1.0 + _PROBING * (calm + each + 1))
            self.rate *= _RECOVERY if self.rate < self.ceiling else probing
            if self.rate > _FAST_ENOUGH:
                self.rate = None
                return
        self.grown_at = now


class AdaptiveRateLimiter:
    """The rate of each account and service; `clock` is a monotonic one, in seconds.

    A service is a name for what shares one limit: a service, a Region, or one operation.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accounts: LruDict[str, dict[str, _Pace]] = LruDict(_ACCOUNTS)

    def is_paced(self, account: str) -> bool:
        """Whether any service of the account has throttled calls recently."""
        known = self._accounts.peek(account)
        return known is not None and any(pace.rate is not None for pace in tuple(known.values()))

    def reserve(self, account: str, service: str) -> float:
        """Reserve the next turn; returns the seconds until then."""
        pace = (self._accounts.get(account) or {}).get(service)
        return 0.0 if pace is None else self._turn(pace)

    def _turn(self, pace: _Pace) -> float:
        now = self._clock()
        pace.grow(now)
        if pace.rate is None:
            return max(0.0, pace.next_at - now)
        at = max(now, pace.next_at)
        pace.next_at = at + 1.0 / pace.rate
        return at - now

    def is_held(self, account: str, service: str) -> bool:
        """Whether a call may have to wait for its turn; safe in other threads."""
        pace = (self._accounts.peek(account) or {}).get(service)
        return pace is not None and (pace.rate is not None or pace.next_at > self._clock())

    async def wait(self, account: str, service: str, *, tenant: str) -> None:
        """Wait for the turn of the caller, among all tenants."""
        pace = (self._accounts.get(account) or {}).get(service)
        if pace is None or (pace.rate is None and pace.next_at <= self._clock()):
            return
        mine = asyncio.get_running_loop().create_future()
        pace.waiting.setdefault(tenant, deque()).append(mine)
        if pace.pump is None:
            pace.pump = asyncio.create_task(self._pump(pace), name=f"pace of {account}")
        await mine

    async def _pump(self, pace: _Pace) -> None:
        try:
            while pace.waiting:
                await asyncio.sleep(self._turn(pace))
                waiter = pace.next_in_turn()
                while waiter.done() and pace.waiting:
                    waiter = pace.next_in_turn()
                if not waiter.done():
                    waiter.set_result(None)
        finally:
            pace.pump = None

    def accepted(self, account: str, service: str) -> None:
        """Record an accepted call."""
        now, pace = self._clock(), self._pace(account, service)
        pace.accepted.append(now)
        pace.observe(now)
        pace.grow(now)

    def _pace(self, account: str, service: str) -> _Pace:
        known = self._accounts.get(account)
        if known is None:
            known = {}
            self._accounts.put(account, known)
        return known.setdefault(service, _Pace())

    def throttled(self, account: str, service: str, *, retry_after: float = 0.0) -> None:
        """Record a call that was throttled because of the rate of earlier calls.

        `retry_after` is the number of seconds without calls that the cloud requests; 0: none.
        """
        now, pace = self._clock(), self._pace(account, service)
        pace.next_at = max(pace.next_at, now + retry_after)
        pace.refused.append(now)
        pace.observe(now)
        if not pace.is_refused_too_often():
            return
        if pace.rate is not None and now - pace.refused_at < _SAME_NEWS_SECONDS:
            return
        let_through = pace.let_through(now)
        seen = _CAUTION * let_through
        # With few calls, few are accepted: the rate never drops below half of the previous one.
        if pace.rate is not None:
            seen = max(min(seen, pace.rate * _CAUTION), pace.rate / 2)
        pace.rate, pace.ceiling = max(_SLOWEST, seen), max(_SLOWEST, let_through)
        pace.refused_at = pace.grown_at = now
        pace.next_at = max(pace.next_at, now + 1.0 / pace.rate)
