"""Listings that lookups of keys share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.slots import waiting_for_cloud

ListingKey = tuple[str, ...]
"""What is listed; the first word names the type of the listing."""
_Listing = TypeVar("_Listing")
_AGE: Final = timedelta(minutes=10)


class SharedListings:
    """The recent listings of each account and region.

    A listing only proves that a key exists. That a key is missing must be confirmed with the
    grant's own session.
    """

    def __init__(self, *, clock: Callable[[], datetime], age: timedelta = _AGE) -> None:
        self._clock = clock
        self._age = age
        self._made: dict[ListingKey, tuple[datetime, Any]] = {}
        self._making: dict[ListingKey, asyncio.Task[Any]] = {}

    async def get(self, key: ListingKey, make: Callable[[], Awaitable[_Listing]]) -> _Listing:
        """The listing; raises what `make` raises.

        Another caller's session may lack permissions that this one has: that it was denied the
        listing says nothing here.
        """
        while True:
            now = self._clock()
            for old in [name for name, (at, _) in self._made.items() if now - at >= self._age]:
                del self._made[old]
            if key in self._made:
                known: _Listing = self._made[key][1]
                return known
            making, own = self._making.get(key), False
            if making is None:
                making = asyncio.create_task(self._make(key, make), name=f"listing {'/'.join(key)}")
                self._making[key], own = making, True
            try:
                # Shielded: one waiter that is cancelled must not take the listing from the others.
                with waiting_for_cloud():
                    made: _Listing = await asyncio.shield(making)
            except Failure as failure:
                if own or failure.kind is not FailureClass.DENIED:
                    raise
            else:
                return made

    async def _make(self, key: ListingKey, make: Callable[[], Awaitable[_Listing]]) -> _Listing:
        began = self._clock()
        try:
            listing = await make()
            self._made[key] = (began, listing)
            return listing
        finally:
            del self._making[key]
