"""Ages in the format of kubectl."""

from __future__ import annotations

import datetime
from typing import Final

from testbed.clusters.embedded.documents import parse_timestamp

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY


def age(moment: str | None) -> str:
    """The time since then: `3m27s`, `5h`, `12d`; `<unknown>` for None."""
    if not moment:
        return "<unknown>"
    elapsed = datetime.datetime.now(datetime.UTC) - parse_timestamp(moment)
    return human(int(elapsed.total_seconds()))


def human(seconds: int) -> str:
    """A duration in at most two units, coarser the longer it is (apimachinery's HumanDuration)."""
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    minutes = seconds // _MINUTE
    if minutes < 10:
        return _two(minutes, "m", seconds % _MINUTE, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    hours = seconds // _HOUR
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 2 * 24:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if seconds < 2 * _YEAR:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"
