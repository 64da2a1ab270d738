"""How long an answer of a cloud may lag behind what was done: scaled down in tests only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Delays:
    """`intent`: a create leaves within this of its intent, or a new intent is written.

    `listing`: a listing made this long after a create shows the new key (IAM: up to two minutes).
    """

    intent: timedelta = timedelta(seconds=60)
    listing: timedelta = timedelta(minutes=2)

    def scaled(self, factor: float) -> Delays:
        """The same, so many times as long."""
        return Delays(intent=self.intent * factor, listing=self.listing * factor)

    @property
    def unknown(self) -> timedelta:
        """How long after an intent a listing without its key proves that none was created."""
        return self.intent + self.listing


REAL: Final = Delays()
