"""How fast an account of a cloud is asked: as fast as it answers, once it has said "slow down".

Each account has a limit of its own for each service, which nobody is told. A refusal for speed sets
the pace to what was let through just before; each second without one raises it by a fiftieth, until
it is so high that no pace is needed. Tenants of one account take turns, each in its own order.

An account counts as one only where a built-in host of the vendor reported it (`pace_key`): what a
custom endpoint says would slow down the account of somebody else.
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
_CAUTION: Final = 0.8
_RAISE: Final = 1.02
_SLOWEST: Final = 0.5
_FAST_ENOUGH: Final = 50.0
# Refusals of calls that were on their way already are no news.
_SAME_NEWS_SECONDS: Final = 1.0


def pace_key(source: CredentialSource, *, account: str | None) -> str:
    """What the rates of a source's calls are kept by: its account, or the source alone."""
    spec = source.spec
    endpoint = spec.aws.sts_endpoint if spec.aws is not None else None
    if spec.alibaba_cloud is not None:
        endpoint = spec.alibaba_cloud.sts_endpoint
    return account if account and endpoint is None else f"source {source.uid}"


@dataclass(slots=True)
class _Pace:
    """Calls a second; None where there is no need. `waiting` has the tenants in turn."""

    accepted: deque[float] = field(default_factory=deque)
    rate: float | None = None
    next_at: float = 0.0
    changed_at: float = 0.0
    waiting: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    pump: asyncio.Task[None] | None = None

    def next_in_turn(self) -> asyncio.Future[None]:
        """The first waiter of the tenant whose turn it is; the tenant goes to the end."""
        tenant, queue = next(iter(self.waiting.items()))
        del self.waiting[tenant]
        first = queue.popleft()
        if queue:
            self.waiting[tenant] = queue
        return first


class Pacing:
    """The pace of each account and service; `clock` is a monotonic one, in seconds."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accounts: LruDict[str, dict[str, _Pace]] = LruDict(_ACCOUNTS)

    def is_paced(self, account: str) -> bool:
        """Whether any service of the account has said "slow down" of late."""
        known = self._accounts.peek(account)
        return known is not None and any(pace.rate is not None for pace in tuple(known.values()))

    def turn(self, account: str, service: str) -> float:
        """Takes the next turn; how many seconds it is away."""
        pace = (self._accounts.get(account) or {}).get(service)
        return 0.0 if pace is None else self._turn(pace)

    def _turn(self, pace: _Pace) -> float:
        if pace.rate is None:
            return 0.0
        now = self._clock()
        at = max(now, pace.next_at)
        pace.next_at = at + 1.0 / pace.rate
        return at - now

    async def wait(self, account: str, service: str, *, tenant: str) -> None:
        """Return when it is the turn of the caller, of whichever tenant it is."""
        pace = (self._accounts.get(account) or {}).get(service)
        if pace is None or pace.rate is None:
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
        """A call was let through."""
        now, pace = self._clock(), self._pace(account, service)
        pace.accepted.append(now)
        while pace.accepted[0] < now - _OBSERVED_SECONDS:
            pace.accepted.popleft()
        if pace.rate is not None and now - pace.changed_at >= 1.0:
            pace.rate, pace.changed_at = pace.rate * _RAISE, now
            if pace.rate > _FAST_ENOUGH:
                pace.rate = None

    def _pace(self, account: str, service: str) -> _Pace:
        known = self._accounts.get(account)
        if known is None:
            known = {}
            self._accounts.put(account, known)
        return known.setdefault(service, _Pace())

    def throttled(self, account: str, service: str) -> None:
        """A call was refused for the speed of the calls before it."""
        now, pace = self._clock(), self._pace(account, service)
        if pace.rate is not None and now - pace.changed_at < _SAME_NEWS_SECONDS:
            return
        let_through = sum(at >= now - _OBSERVED_SECONDS for at in pace.accepted)
        seen = _CAUTION * let_through / _OBSERVED_SECONDS
        slower = seen if pace.rate is None else min(seen, pace.rate * _CAUTION)
        pace.rate, pace.changed_at = max(_SLOWEST, slower), now
        pace.next_at = max(pace.next_at, now + 1.0 / pace.rate)
