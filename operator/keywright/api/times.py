"""Times in the format of Kubernetes: RFC 3339, UTC, whole seconds.

Times come from annotations, statuses and clouds that other clients may write. Only those between
1970 and 9000 are accepted, so that no sum or difference with a bounded duration can overflow.
"""

from datetime import UTC, datetime
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 text to a datetime in UTC.

    Raises:
        ValueError: The text is not a time, has no time zone, or is not between 1970 and 9000.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    # Compared before the conversion, which overflows near the limits of the calendar.
    if not EPOCH <= moment <= LATEST:
        raise ValueError(f"{text!r} is not between 1970 and 9000")
    return moment.astimezone(UTC)


def clamp_time(moment: datetime) -> datetime:
    """Return the time in UTC, limited to the range between 1970 and 9000."""
    return min(max(moment, EPOCH), LATEST).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Format as RFC 3339 in UTC; fractions are cut, so that no expiry is written too late."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_time_or_dash(moment: datetime | None) -> str:
    """Format a time for messages, or a dash for None."""
    return format_time(moment) if moment else "no time"
