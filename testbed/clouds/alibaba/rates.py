"""The rate limit of STS: 100 calls per second for each API and account [R].

Quotas of API version 2015-04-01 in the vendor's documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.clouds.alibaba import refusals
from testbed.clouds.buckets import Bucket

if TYPE_CHECKING:
    from testbed.clouds.clock import Clock

PER_SECOND: Final = 100.0


class StsRates:
    """Counts the calls of each API and account; a test may set a lower limit."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._per_second = PER_SECOND
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def limit(self, *, per_second: float | None) -> None:
        """Allow that many calls per second, with an equal burst; None is the vendor's limit."""
        self._per_second = per_second or PER_SECOND
        self._buckets.clear()

    def check(self, action: str, *, account: str) -> None:
        """Raise CloudError Throttling.User if the account exceeds its rate."""
        now, rate = self._clock.now(), self._per_second
        bucket = self._buckets.setdefault(
            (action, account), Bucket(rate, max(1.0, rate), max(1.0, rate), now)
        )
        if not bucket.take(now):
            raise refusals.throttled()
