"""Whose turn it is where there is more to do than workers."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum


class Turn(IntEnum):
    """The order of work: a reader without a key, one that is about to be, then everybody else."""

    ENDED = 0
    ENDING = 1
    NEW = 2
    RETRY = 3


Priority = tuple[Turn, float]
"""Smaller goes first; the figure tells keys of one turn apart."""

NO_PRIORITY: Priority = (Turn.NEW, 0.0)


def priority(
    *, expires_at: datetime | None, renew_at: datetime | None, failing: bool, now: datetime
) -> Priority:
    """The place of a grant, by the key that its readers have and whether its last try failed.

    Of the keys that ended and of those whose renewal is due, the soonest end goes first; one that
    is only rotated comes after them. A grant whose key is in no danger waits behind new ones where
    its last try failed.
    """
    ends = float("inf") if expires_at is None else expires_at.timestamp()
    if expires_at is not None and expires_at <= now:
        return Turn.ENDED, ends
    if renew_at is not None and renew_at <= now:
        return Turn.ENDING, ends
    return (Turn.RETRY if failing else Turn.NEW), 0.0
