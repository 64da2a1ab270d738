"""How often STS may be called: 100 times a second for an API and an account [R].

Quotas of API version 2015-04-01 in the vendor's document.
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
        """Allow that many calls a second, in a burst of as many; None is the vendor's limit."""
        self._per_second = per_second or PER_SECOND
        self._buckets.clear()

    def check(self, action: str, *, account: str) -> None:
        """Raise CloudError Throttling.User where the account calls faster than it may."""
        now, rate = self._clock.now(), self._per_second
        bucket = self._buckets.setdefault(
            (action, account), Bucket(rate, max(1.0, rate), max(1.0, rate), now)
        )
        if not bucket.take(now):
            raise refusals.throttled()
