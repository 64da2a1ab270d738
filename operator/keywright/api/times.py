"""Points in time as Kubernetes writes them: RFC 3339, UTC, whole seconds.

Times come from annotations, statuses and clouds that other people may write. Only those between
1970 and 9000 are accepted, so that no sum or difference with a bounded duration can overflow.
"""

from datetime import UTC, datetime
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> datetime:
    """The aware UTC datetime that an RFC 3339 text names.

    Raises:
        ValueError: The text is none, names no time zone, or is not between 1970 and 9000.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    # Compared before the conversion, which overflows near the ends of the calendar.
    if not EPOCH <= moment <= LATEST:
        raise ValueError(f"{text!r} is not between 1970 and 9000")
    return moment.astimezone(UTC)


def clamp_time(moment: datetime) -> datetime:
    """The aware time in UTC, moved to the nearest one between 1970 and 9000."""
    return min(max(moment, EPOCH), LATEST).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC; fractions of a second are cut, so that nothing ends later than it does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_time_or_dash(moment: datetime | None) -> str:
    """The time as a status has it, for messages."""
    return format_time(moment) if moment else "no time"
