"""The status of a grant whose key has ended while nobody could look at it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from keywright.api.status import ConditionStatus, GrantStatus
from keywright.api.times import format_time
from keywright.planning.conditions import (
    READY,
    RECONCILING,
    RENEWAL_FAILING,
    STALLED,
    ConditionWriter,
)

EXPIRED = "Expired"
_SUSPENDED = "Suspended"
_REPLACED = frozenset({READY, RECONCILING, RENEWAL_FAILING, STALLED})


def expired_status(
    status: GrantStatus, *, expires_at: datetime, now: datetime
) -> GrantStatus | None:
    """The status with Ready=False; None where it does not claim to be Ready.

    Why the renewal fails stays in the message; the renewal itself goes on, and reports by itself.
    """
    ready = status.condition(READY)
    if ready is None or ready.status is not ConditionStatus.TRUE:
        return None
    failing = status.condition(RENEWAL_FAILING)
    why = failing.message if failing is not None else "A new one has not been issued yet."
    message = f"The key ended at {format_time(expires_at)}. {why}"
    generation = status.observed_generation
    if ready.observed_generation is not None:
        generation = ready.observed_generation
    writer = ConditionWriter(status.conditions, generation=generation, now=now)
    suspended = ready.reason == _SUSPENDED
    reason = _SUSPENDED if suspended else EXPIRED
    conditions = [
        writer.condition(
            READY, true=False, reason=reason, message=ready.message if suspended else message
        )
    ]
    if not suspended:
        conditions.append(
            writer.condition(RECONCILING, true=True, reason="ProgressingWithRetry", message=message)
        )
    others = [each for each in status.conditions if each.type not in _REPLACED]
    return msgspec.structs.replace(status, conditions=(*conditions, *others))
