"""When the clocks of the operator and of a cloud differ too much, and what a source says of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from keywright.api.durations import format_duration
from keywright.api.status import SourceStatus
from keywright.planning.conditions import CLOCK_SKEWED, ConditionWriter
from keywright.planning.events import Event

LARGEST_SKEW: Final = timedelta(minutes=1)
_ROUNDED_SECONDS: Final = 10


def is_skewed(skew: timedelta) -> bool:
    """Whether the difference is large enough to be reported."""
    return abs(skew) > LARGEST_SKEW


def with_clock_skew(
    before: SourceStatus,
    after: SourceStatus,
    *,
    skew: timedelta | None,
    endpoint_field: str,
    generation: int,
    now: datetime,
) -> SourceStatus:
    """The status with ClockSkewed where it holds; as it was before where `skew` is not known.

    `skew`: by how much the operator's clock is ahead. `endpoint_field`: the field by which the
    source names the host that answered, empty for the cloud's own.
    """
    condition = before.condition(CLOCK_SKEWED)
    if skew is not None:
        writer = ConditionWriter(before.conditions, generation=generation, now=now)
        condition = None
        if is_skewed(skew):
            condition = writer.condition(
                CLOCK_SKEWED,
                true=True,
                reason=CLOCK_SKEWED,
                message=_message(skew, endpoint_field=endpoint_field),
            )
    others = tuple(each for each in after.conditions if each.type != CLOCK_SKEWED)
    conditions = others if condition is None else (*others, condition)
    return msgspec.structs.replace(after, conditions=conditions)


def skew_notice(before: SourceStatus, after: SourceStatus) -> Event | None:
    """The one Event for clocks that have begun to differ."""
    skewed = after.condition(CLOCK_SKEWED)
    if skewed is None or before.condition(CLOCK_SKEWED) is not None:
        return None
    return Event(warning=True, reason=CLOCK_SKEWED, note=skewed.message)


def _message(skew: timedelta, *, endpoint_field: str) -> str:
    # Rounded, so that a clock that drifts is not written again and again.
    seconds = round(abs(skew).total_seconds() / _ROUNDED_SECONDS) * _ROUNDED_SECONDS
    side = "ahead of" if skew > timedelta(0) else "behind"
    whose = f"the host in {endpoint_field}" if endpoint_field else "the cloud"
    remedy = "Synchronize the clock of the operator's node (NTP)"
    if endpoint_field:
        remedy += f"; if no other source reports this, the clock of {whose} is wrong"
    return (
        f"The operator's clock is about {format_duration(seconds)} {side} that of {whose}:"
        f" signatures can be refused, and keys can end early. {remedy}."
    )
