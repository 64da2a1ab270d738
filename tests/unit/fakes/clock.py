"""Time that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class FakeClock:
    """A wall clock."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time now."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Move on by as much as `timedelta` takes it."""
        self.now += timedelta(**amount)


class FakeMonotonic:
    """A clock that only counts seconds."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Seconds since whenever."""
        return self.seconds
