"""API Gateway's fixed quotas, and one change at a time for an account and Region.

Quotas: "Quotas for creating, deploying and managing an API" of the developer guide; they cannot be
raised, and apply to an account in a Region, so that other programs share them. Changes: AWS rejects
concurrent changes with "concurrent modification" (serverless/serverless#12065).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.bounded import LruDict
from keywright.clouds.rate_limit import FixedRate
from keywright.clouds.shares import FairShares

SERVICE: Final = "apigateway"
RATES: Final = {
    "CreateApiKey": FixedRate(per_second=5.0, burst=5),
    "DeleteApiKey": FixedRate(per_second=5.0, burst=5),
    "UpdateUsagePlan": FixedRate(per_second=0.05, burst=1),
}
TOTAL: Final = FixedRate(per_second=10.0, burst=40)

_PLACES: Final = 4096
# Requests may arrive closer together than they were sent: stay a little below the quota.
_SAFETY: Final = 0.95
# A longer wait would block a thread that other calls need.
_MAX_WAIT: Final = 5.0


@dataclass(slots=True)
class _Bucket:
    """Tokens of a quota; negative ones are reserved already."""

    rate: FixedRate
    tokens: float
    filled_at: float

    def reserve(self, now: float, *, longest: float | None = None) -> float:
        """Take a token and return the seconds until it is available; above `longest`: take none."""
        gained = max(0.0, now - self.filled_at) * self.rate.per_second
        self.tokens = min(float(self.rate.burst), self.tokens + gained)
        self.filled_at = now
        wait = max(0.0, 1.0 - self.tokens) / self.rate.per_second
        if longest is None or wait <= longest:
            self.tokens -= 1.0
        return wait


class _Place:
    """The buckets of an account in a Region, and its lock for changes."""

    def __init__(self, *, scale: float, now: float) -> None:
        self._scale = scale
        self._now = now
        self.changes = FairShares(soft=1, hard=1)
        self.total = self._bucket(TOTAL)
        self.operations = {name: self._bucket(rate) for name, rate in RATES.items()}

    def _bucket(self, rate: FixedRate) -> _Bucket:
        scaled = FixedRate(rate.per_second * self._scale * _SAFETY, rate.burst)
        return _Bucket(scaled, float(rate.burst), self._now)


class GatewayQuotas:
    """Delays requests until the quotas allow them. `clock` is a monotonic one, in seconds.

    `scale` is how many times faster the quotas refill than those of AWS, for tests.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, scale: float = 1.0) -> None:
        self._clock = clock
        self._scale = scale
        self._places: LruDict[tuple[str, str], _Place] = LruDict(_PLACES)

    def limits(self, region: str, operation: str) -> tuple[str, ...]:
        """The separate rate limits of operations with a quota of their own."""
        whole = f"{SERVICE} {region}"
        return (f"{whole} {operation}",) if operation in RATES else (whole,)

    async def enter(
        self, place: tuple[str, str], operation: str, *, tenant: str, change: bool
    ) -> Callable[[], None]:
        """Wait until the call may be sent; returns what must be called after the response.

        `place` is the rate limit key of the account, and the Region.

        Raises:
            Failure: the operation's own quota only allows it much later; nothing is reserved then.
        """
        of = self._of(place)
        bucket = of.operations.get(operation)
        if bucket is not None:
            longest = _MAX_WAIT / self._scale
            wait = bucket.reserve(self._clock(), longest=longest)
            if wait > longest:
                raise _later(operation, wait=wait)
            await asyncio.sleep(wait)
        leave = partial(of.changes.release, await of.changes.acquire(tenant)) if change else _no_op
        try:
            await asyncio.sleep(of.total.reserve(self._clock()))
        except BaseException:
            leave()
            raise
        return leave

    def _of(self, place: tuple[str, str]) -> _Place:
        found = self._places.get(place)
        if found is None:
            found = _Place(scale=self._scale, now=self._clock())
            self._places.put(place, found)
        return found


def _no_op() -> None:
    return


def _later(operation: str, *, wait: float) -> Failure:
    rate = RATES[operation]
    return Failure(
        f"API Gateway allows an account one {operation} in {1 / rate.per_second:g} seconds, and"
        f" others come first: the next turn is {wait:.0f} seconds away.",
        kind=FailureClass.THROTTLED,
        reason="Throttled",
        field="spec.apiGatewayKey.usagePlan",
        remedy="The operator tries again by itself.",
        no_side_effect=True,
        retry_after=timedelta(seconds=wait),
    )
