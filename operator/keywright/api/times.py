"""Times in the format of Kubernetes (RFC 3339, UTC, whole seconds), and renewal windows.

Times come from annotations, statuses and clouds that other clients may write. Only those between
1970 and 9000 are accepted, so that no sum or difference with a bounded duration can overflow.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.schema import SpecStruct

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 text to a datetime in UTC.

    Raises:
        ValueError: The text is not a time, has no time zone, or is not between 1970 and 9000.
    """
    moment = time_or_none(text)
    if moment is None:
        raise ValueError(
            f"{text!r} is no RFC 3339 time between 1970 and 9000, or it has no time zone"
        )
    return moment


def time_or_none(text: object) -> datetime | None:
    """The time in UTC, as of `parse_time`; None for anything else than such a text."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None:
        return None
    # Compared before the conversion, which overflows near the limits of the calendar.
    return moment.astimezone(UTC) if EPOCH <= moment <= LATEST else None


def clamp_time(moment: datetime) -> datetime:
    """Return the time in UTC, limited to the range between 1970 and 9000."""
    return min(max(moment, EPOCH), LATEST).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Format as RFC 3339 in UTC; fractions are cut, so that no expiry is written too late."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def format_time_or_dash(moment: datetime | None) -> str:
    """Format a time for messages, or a dash for None."""
    return format_time(moment) if moment else "no time"


_FIELDS = 5


class Window(SpecStruct, frozen=True):
    """When renewals may happen: from each time of a cron schedule, for a duration."""

    schedule: str
    duration: str
    time_zone: str = "UTC"

    @property
    def duration_seconds(self) -> float:
        """How long the window stays open, in seconds."""
        return parse_duration(self.duration)

    def open_from(self, moment: datetime) -> datetime | None:
        """The given time if the window is open then, otherwise its next opening, in UTC.

        None if the window does not open within fifty years.
        """
        since = moment - timedelta(seconds=self.duration_seconds)
        for found in CronSim(self.schedule, since.astimezone(time_zone(self.time_zone))):
            opening = found.astimezone(UTC)
            # By local time, the repeated hour has its openings in the past.
            if opening > since:
                return max(opening, moment)
        return None


def window_problems(field: str, window: Window) -> Iterator[FieldError]:
    """Validate what CEL cannot check of a window."""
    try:
        time_zone(window.time_zone)
    except ValueError as error:
        yield FieldError(f"{field}.timeZone", str(error))
    try:
        _check_schedule(window.schedule)
    except ValueError as error:
        yield FieldError(f"{field}.schedule", str(error))


@lru_cache(maxsize=64)
def time_zone(name: str) -> tzinfo:
    """The time zone with this name; UTC needs no database.

    Raises:
        ValueError: The time zone database of the operator's image has no such name.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A directory of the database raises OSError, and so does a name too long for a file.
        raise ValueError(
            f"{name!r} is no time zone that is known here: set UTC, or a name like Europe/Berlin"
        ) from None


@lru_cache(maxsize=256)
def _check_schedule(text: str) -> None:
    """Raise ValueError if the text is not a valid schedule, or has no occurrence."""
    if len(text.split()) != _FIELDS:
        raise ValueError(f"{text!r} is no cron schedule of five fields: write it like 0 2 * * *")
    try:
        first = next(CronSim(text, EPOCH), None)
    except CronSimError as error:
        raise ValueError(
            f"{text!r} is no cron schedule: {str(error).lower()}; write it like 0 2 * * *"
        ) from None
    if first is None:
        raise ValueError(f"{text!r} never comes: name a day that there is")
