"""Whose turn it is where there is more to do than workers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Final

from keywright.planning.renewal import BEGINS_WITHIN


class Urgency(IntEnum):
    """The order of work: a reader without a key, one that is about to be, then everybody else."""

    ENDED = 0
    ENDING = 1
    NEW = 2
    RETRY = 3


Priority = tuple[Urgency, float]
"""Smaller goes first; the figure tells keys of one turn apart."""

HEAD_START_SECONDS: Final[Mapping[Urgency, float]] = {
    Urgency.ENDED: 2.0,
    Urgency.ENDING: 1.0,
    Urgency.NEW: 0.0,
    Urgency.RETRY: -1.0,
}
"""By how much a namespace with such a grant may overtake another one that has waited longer.

Bounded, so that a namespace whose keys have all ended cannot hold up the others.
"""

NO_PRIORITY: Priority = (Urgency.NEW, 0.0)
LAST: Priority = (Urgency.RETRY, float("inf"))
# Of a margin: by then a renewal should be done, where there is more to do than can be done.
_DEADLINE_FRACTION = 0.1


def priority(
    *, expires_at: datetime | None, renew_at: datetime | None, failing: bool, now: datetime
) -> Priority:
    """The place of a grant, by the key that its readers have and whether its last try failed.

    Of the keys that ended the soonest end goes first; of those whose renewal is due, the one of
    whose margin a tenth is gone first: those of equal lives take turns as they fall due, and one
    with little time left does not wait for those that have hours. One that is only rotated comes
    after them. A grant whose key is in no danger waits behind new ones where its last try failed.
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
