"""Assumed propagation delays of the clouds; scaled down in tests only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Delays:
    """Propagation delays of a cloud.

    `intent`: a create request is sent within this time of its intent, or a new intent is written.

    `listing`: a listing this long after a create shows the new key (IAM: up to two minutes).
    """

    intent: timedelta = timedelta(seconds=60)
    listing: timedelta = timedelta(minutes=2)

    def scaled(self, factor: float) -> Delays:
        """The same delays, multiplied by the factor."""
        return Delays(intent=self.intent * factor, listing=self.listing * factor)

    @property
    def unknown(self) -> timedelta:
        """How long after an intent a listing without its key proves that none was created."""
        return self.intent + self.listing


REAL: Final = Delays()
