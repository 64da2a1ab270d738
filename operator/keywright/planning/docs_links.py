"""Which conditions get a link to the documentation: those that ask something of the user.

Links are added when a status is written, and removed when it is read: decisions compare messages
without them, and an operator with another address writes nothing because of it.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from keywright.api.docs_links import with_link
from keywright.api.status import Condition, ConditionStatus, GrantStatus, SourceStatus
from keywright.planning.conditions import (
    CLOCK_SKEWED,
    DELETING,
    FORMER_SECRET,
    MESSAGE_LIMIT,
    PROBE_FAILING,
    PROGRESSING,
    READY,
    RENEWAL_FAILING,
    ROLLOUT_FAILING,
    SECRET_CONFLICT,
    SECRET_CONTESTED,
    STALLED,
    SUSPENDED,
)
from keywright.planning.former import PENDING

_Status = TypeVar("_Status", GrantStatus, SourceStatus)
_ASKING: Final = frozenset(
    {
        CLOCK_SKEWED,
        FORMER_SECRET,
        PROBE_FAILING,
        RENEWAL_FAILING,
        ROLLOUT_FAILING,
        SECRET_CONFLICT,
        SECRET_CONTESTED,
        STALLED,
    }
)
# Nothing is wrong: Keywright works, or the user wants it so.
_CALM: Final = frozenset({PENDING, PROGRESSING, SUSPENDED})


def with_links(status: _Status, *, docs_url: str) -> _Status:
    """The status as it is written; without an address, as it is."""
    if not docs_url or not any(_asks(each, status) for each in status.conditions):
        return status
    conditions = tuple(
        _linked(each, docs_url) if _asks(each, status) else each for each in status.conditions
    )
    return msgspec.structs.replace(status, conditions=conditions)


def _asks(condition: Condition, status: GrantStatus | SourceStatus) -> bool:
    if condition.type == READY:
        if condition.status is not ConditionStatus.FALSE or condition.reason in _CALM:
            return False
        return condition.reason != DELETING or status.failed_attempts > 0
    return condition.type in _ASKING and condition.reason not in _CALM


def _linked(condition: Condition, docs_url: str) -> Condition:
    # Its reasons only say how far it is.
    topic = condition.type if condition.type == FORMER_SECRET else condition.reason
    message = with_link(condition.message, docs_url=docs_url, reason=topic, limit=MESSAGE_LIMIT)
    return msgspec.structs.replace(condition, message=message)
