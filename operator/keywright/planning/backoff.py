"""The back-off after failures: seconds to minutes, and always before the key expires."""

from __future__ import annotations

from datetime import datetime, timedelta

_FIRST = timedelta(seconds=1)
_CAP = timedelta(minutes=5)
_MIN_DELAY = timedelta(milliseconds=250)
_SHARE_OF_REMAINING = 0.25


def retry_at(
    *, attempts: int, last_failure: datetime, expires_at: datetime | None, position: float = 0.5
) -> datetime:
    """When attempt number `attempts` + 1 is due.

    The delay doubles from one second to five minutes, with a jitter of half of it by `position` (0
    to 1), and is at most a quarter of the remaining lifetime: retries become more frequent near the
    expiry.
    """
    doubled: timedelta = _FIRST * 2 ** min(attempts - 1, 20)
    delay: timedelta = min(doubled, _CAP) * (0.75 + position / 2)
    if expires_at is not None and expires_at > last_failure:
        delay = min(delay, max(_MIN_DELAY, (expires_at - last_failure) * _SHARE_OF_REMAINING))
    return last_failure + delay
