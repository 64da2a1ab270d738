"""Request rates on demand: a token bucket for each service and account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clouds.aws import refusals
from testbed.clouds.buckets import Bucket

if TYPE_CHECKING:
    from testbed.clouds.clock import Clock


class Rates:
    """The limits that a test has set; without one a service is unlimited."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._limits: dict[str, float] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def limit(self, *, service: str, per_second: float | None) -> None:
        """Limit the calls per second and account, with an equal burst; None removes the limit."""
        for key in [key for key in self._buckets if key[0] == service]:
            del self._buckets[key]
        self._limits.pop(service, None)
        if per_second is not None:
            self._limits[service] = per_second

    def clear(self) -> None:
        """Remove all limits."""
        self._limits.clear()
        self._buckets.clear()

    def check(self, service: str, *, account: str) -> None:
        """Raise CloudError Throttling if the account exceeds its rate."""
        per_second = self._limits.get(service)
        if per_second is None:
            return
        now, size = self._clock.now(), max(1.0, per_second)
        bucket = self._buckets.setdefault(
            (service, account), Bucket(per_second=per_second, size=size, left=size, filled_at=now)
        )
        if not bucket.take(now):
            raise refusals.rate_exceeded()
