"""Eventual consistency on demand: what was just made is not known everywhere yet.

IAM user guide, "Changes that I make are not always immediately visible". [R]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.clouds.clock import Clock


class Propagation:
    """Remembers from when on a new thing is known; `seconds` is for what is made from now on."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._listed = True
        self._known_from: dict[str, float] = {}
        self._hidden: set[str] = set()

    def take(self, *, seconds: float, listed: bool) -> None:
        """Let new things be unknown to data planes that long, and also not be `listed`."""
        self._seconds = seconds
        self._listed = listed

    def clear(self) -> None:
        """Let everything be known from now on."""
        self.take(seconds=0, listed=True)
        self._known_from.clear()
        self._hidden.clear()

    def made(self, name: str) -> None:
        """Note that a key, a user or a plan's membership was made just now."""
        if self._seconds > 0:
            self._known_from[name] = self._clock.now() + self._seconds
            if not self._listed:
                self._hidden.add(name)

    def known(self, name: str) -> bool:
        """Whether a data plane knows it by now."""
        return self._clock.now() >= self._known_from.get(name, 0.0)

    def listed(self, name: str) -> bool:
        """Whether the service that made it shows it by now."""
        return name not in self._hidden or self.known(name)
