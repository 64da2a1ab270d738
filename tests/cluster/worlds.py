"""What the fixture `make_world` is."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Protocol

from testbed.world import Vendor, World


class MakeWorld(Protocol):
    """The fixture `make_world`."""

    def __call__(self, providers: Collection[Vendor] = ...) -> AbstractContextManager[World]:
        """A world with these clouds, to be entered; by default with AWS alone."""
