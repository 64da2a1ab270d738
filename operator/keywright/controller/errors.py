"""What stops a piece of work half-way through, to begin it anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ConflictError(Exception):
    """Somebody edited the object while we worked on it: look again at once."""


class Fence(Protocol):
    """Whether this process may still write."""

    def check(self) -> None:
        """Raises LostLeaseError where it may not."""


class ObjectListener(Protocol):
    """Takes what was read besides the watches, and wakes whoever depends on it as they would.

    The watch will show the same version, which then is no news to anybody.
    """

    def grant(self, body: Mapping[str, Any]) -> None:
        """A grant as it stands."""

    def drop_grant(self, uid: str) -> None:
        """A grant is gone."""

    def source(self, body: Mapping[str, Any]) -> None:
        """A source as it stands."""

    def source_failed(self, name: tuple[str, str]) -> None:
        """A grant found out that the source cannot be used: its status may not know yet."""
