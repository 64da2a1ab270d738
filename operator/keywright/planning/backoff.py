"""Delays after a failure, and between the probes of a new key: always before the key expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import Probe

_FIRST = timedelta(seconds=1)
_CAP = timedelta(minutes=5)
# Statuses record the failure in whole seconds: with less, the time would often be in the past.
_MIN_DELAY = timedelta(seconds=1)
_SHARE_OF_REMAINING = 0.25


def retry_at(
    *, attempts: int, last_failure: datetime, expires_at: datetime | None, position: float = 0.5
) -> datetime:
    """When attempt number `attempts` + 1 is due.

    The delay doubles from one second to five minutes, with a jitter of half of it by `position` (0
    to 1), and is at most a quarter of the remaining lifetime: retries become more frequent near the
    expiry, up to one each second.
    """
    doubled: timedelta = _FIRST * 2 ** min(attempts - 1, 20)
    delay: timedelta = min(doubled, _CAP) * (0.75 + position / 2)
    if expires_at is not None and expires_at > last_failure:
        delay = min(delay, max(_MIN_DELAY, (expires_at - last_failure) * _SHARE_OF_REMAINING))
    return last_failure + delay


PROBE_FAILED: Final = "ProbeFailed"
_MIN_PAUSE: Final = timedelta(seconds=1)
_MAX_PAUSE: Final = timedelta(seconds=10)
_SHARE: Final = 0.25


def next_try(*, since: datetime, probe: Probe, now: datetime) -> datetime | None:
    """When the key is probed again: after a quarter of the time so far; None for never.

    The last probe is sent at the end of the timeout.
    """
    ends_at = since + timedelta(seconds=probe.timeout_seconds)
    if now >= ends_at:
        return None
    return min(ends_at, now + min(_MAX_PAUSE, max(_MIN_PAUSE, (now - since) * _SHARE)))


def probe_timed_out(answer: Failure, *, probe: Probe) -> Failure:
    """The key did not work within the timeout: it is not published, and another is issued later."""
    return Failure(
        f"the new key did not work within {probe.timeout}, and was not published: {answer.message}",
        kind=FailureClass.TRANSIENT,
        reason=PROBE_FAILED,
        field=answer.field,
        remedy=answer.remedy,
    )
