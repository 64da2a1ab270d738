"""What stops a piece of work half-way through, to begin it anew."""

from __future__ import annotations

from typing import Protocol


class ChangedMeanwhileError(Exception):
    """Somebody edited the object while we worked on it: look again at once."""


class Fence(Protocol):
    """Whether this process may still write."""

    def check(self) -> None:
        """Raises LostLeaseError where it may not."""
