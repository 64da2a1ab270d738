"""The fixed quotas of API Gateway's control plane, and one change at a time.

Quotas per account: "Quotas for creating, deploying and managing an API" of the developer guide
(limits.html). They cannot be raised. Changes: AWS Support in serverless/serverless#12065: one
CreateUsagePlanKey at a time per account and Region; any other change behaves alike.

Time passes `scale` times as fast as in AWS, so that tests take seconds: with a scale of 20 an
account may call UpdateUsagePlan once per second. Bursts keep their size.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from testbed.clouds.aws import apigateway_refusals as refusals
from testbed.clouds.buckets import Bucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.clouds.clock import Clock

PER_SECOND: Final = {"CreateApiKey": 5.0, "DeleteApiKey": 5.0, "UpdateUsagePlan": 0.05}
"""Calls per second of single operations; the burst is that of a second, at least one call."""
TOTAL_PER_SECOND: Final = 10.0
TOTAL_BURST: Final = 40.0
WRITE_SECONDS: Final = 0.1
"""The duration of a change in AWS, during which no other may begin. [U]"""
DEFAULT_SCALE: Final = 10_000.0


class GatewayQuotas:
    """Checks the calls of each account and Region."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self._writing: set[tuple[str, str]] = set()
        self._scale = DEFAULT_SCALE
        self._older_form = False

    def set_scale(self, *, scale: float | None, older_form: bool = False) -> None:
        """Let time pass `scale` times as fast as in AWS; None is the default of tests.

        `older_form`: a concurrent change is rejected with BadRequestException (400).
        """
        self._scale = scale or DEFAULT_SCALE
        self._older_form = older_form
        self._buckets.clear()

    def check(self, action: str, *, account: str, region: str) -> None:
        """Raise CloudError TooManyRequestsException if the account exceeds a quota.

        A rejected call does not count.
        """
        total = self._bucket("", account, region, per_second=TOTAL_PER_SECOND, size=TOTAL_BURST)
        buckets = [total]
        rate = PER_SECOND.get(action)
        if rate is not None:
            single = self._bucket(action, account, region, per_second=rate, size=max(1.0, rate))
            buckets.append(single)
        now = self._clock.now()
        if not all(bucket.peek(now) for bucket in buckets):
            raise refusals.too_many_requests()
        for bucket in buckets:
            bucket.take(now)

    @contextlib.asynccontextmanager
    async def change(self, *, account: str, region: str) -> AsyncIterator[None]:
        """Hold the account's only slot for a change; raises CloudError if it is in use."""
        place = (account, region)
        if place in self._writing:
            raise refusals.concurrent_modification(older_form=self._older_form)
        self._writing.add(place)
        try:
            await asyncio.sleep(WRITE_SECONDS / self._scale)
            yield
        finally:
            self._writing.discard(place)

    def _bucket(
        self, action: str, account: str, region: str, *, per_second: float, size: float
    ) -> Bucket:
        key = (action, account, region)
        if key not in self._buckets:
            self._buckets[key] = Bucket(
                per_second=per_second * self._scale,
                size=size,
                left=size,
                filled_at=self._clock.now(),
            )
        return self._buckets[key]
