"""The order of work if there are more due grants than workers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Final

from keywright.planning.renewal import BEGINS_WITHIN


class Urgency(IntEnum):
    """The order of work: clients without a valid key, those close to expiry, then all others."""

    ENDED = 0
    ENDING = 1
    NEW = 2
    RETRY = 3


URGENCY_LABELS: Final[Mapping[Urgency, str]] = {
    Urgency.ENDED: "expired",
    Urgency.ENDING: "renewal",
    Urgency.NEW: "normal",
    Urgency.RETRY: "retry",
}
"""The urgencies as metrics name them."""

Priority = tuple[Urgency, float]
"""Smaller is handled first; the number orders keys of the same urgency."""

HEAD_START_SECONDS: Final[Mapping[Urgency, float]] = {
    Urgency.ENDED: 2.0,
    Urgency.ENDING: 1.0,
    Urgency.NEW: 0.0,
    Urgency.RETRY: -1.0,
}
"""How far a namespace with such a grant may overtake another one that has waited longer.

Bounded, so that a namespace whose keys have all expired cannot delay the others.
"""

NO_PRIORITY: Priority = (Urgency.NEW, 0.0)
LAST: Priority = (Urgency.RETRY, float("inf"))
# A due renewal should be done within this fraction of its margin, even under overload.
_DEADLINE_FRACTION = 0.1


def priority(
    *, expires_at: datetime | None, renew_at: datetime | None, failing: bool, now: datetime
) -> Priority:
    """The priority of a grant, by the key that clients have and whether the last attempt failed.

    Expired keys are ordered by their expiry. Due renewals are ordered by the time at which a tenth
    of their margin has passed: keys of equal lifetimes are handled as they become due, and one with
    little time left does not wait for those with hours. A key without expiry follows after them. A
    grant whose key is in no danger waits behind new ones if its last attempt failed.
    """
    # Seconds since 1970: unlike dates they cannot overflow, whatever an annotation says.
    at = now.timestamp()
    ends = float("inf") if expires_at is None else expires_at.timestamp()
    if ends <= at:
        return Urgency.ENDED, ends
    if renew_at is not None and renew_at.timestamp() - BEGINS_WITHIN.total_seconds() <= at:
        if expires_at is None:
            return Urgency.ENDING, ends
        due = renew_at.timestamp()
        return Urgency.ENDING, due + (ends - due) * _DEADLINE_FRACTION
    return (Urgency.RETRY if failing else Urgency.NEW), 0.0
