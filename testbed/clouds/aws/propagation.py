"""Eventual consistency on demand: new resources are not known everywhere yet.

IAM user guide, "Changes that I make are not always immediately visible". [R]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.clouds.clock import Clock


class Propagation:
    """Records when a new resource becomes known; `seconds` applies to those created from now."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._listed = True
        self._known_from: dict[str, float] = {}
        self._hidden: set[str] = set()

    def take(self, *, seconds: float, listed: bool) -> None:
        """Hide new resources from data planes for that long; `listed`: lists still show them."""
        self._seconds = seconds
        self._listed = listed

    def clear(self) -> None:
        """Make everything known."""
        self.take(seconds=0, listed=True)
        self._known_from.clear()
        self._hidden.clear()

    def made(self, name: str) -> None:
        """Record that a key, a user or a plan's membership was just created."""
        if self._seconds > 0:
            self._known_from[name] = self._clock.now() + self._seconds
            if not self._listed:
                self._hidden.add(name)

    def known(self, name: str) -> bool:
        """Whether a data plane knows it already."""
        return self._clock.now() >= self._known_from.get(name, 0.0)

    def listed(self, name: str) -> bool:
        """Whether its own service lists it already."""
        return name not in self._hidden or self.known(name)
