"""How long a new key is probed before it is published, and the failure if it never works."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import Probe

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
