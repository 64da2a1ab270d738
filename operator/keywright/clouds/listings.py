"""Listings that lookups of keys share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from keywright.api.source import CredentialSource
from keywright.clouds.slots import waiting_for_cloud

ListingKey = tuple[str, ...]
"""What is listed; the first word names the type of the listing."""
_Listing = TypeVar("_Listing")
_AGE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Making:
    """A listing that is being made, and for which version of which source."""

    task: asyncio.Task[Any]
    maker: tuple[str, int]


class SharedListings:
    """The recent listings of each account and region.

    A listing only proves that a key exists. That a key is missing must be confirmed with the
    grant's own session.
    """

    def __init__(self, *, clock: Callable[[], datetime], age: timedelta = _AGE) -> None:
        self._clock = clock
        self._age = age
        self._made: dict[ListingKey, tuple[datetime, Any]] = {}
        self._making: dict[tuple[ListingKey, tuple[str, int] | None], _Making] = {}

    async def get(
        self,
        key: ListingKey,
        make: Callable[[], Awaitable[_Listing]],
        *,
        source: CredentialSource,
    ) -> _Listing:
        """The listing; raises what `make` raises.

        A failure says nothing to callers with another source: its session, proxy or endpoint may be
        the cause. They make a listing of their own at once, one for each source, so that no caller
        waits for more than one failure of others.
        """
        caller = (source.uid, source.generation)
        sharers: tuple[str, int] | None = None
        while True:
            now = self._clock()
            for old in [name for name, (at, _) in self._made.items() if now - at >= self._age]:
                del self._made[old]
            if key in self._made:
                known: _Listing = self._made[key][1]
                return known
            making = self._making.get((key, sharers))
            if making is None:
                making = self._start(key, make, maker=caller, sharers=sharers)
            try:
                # Shielded: one waiter that is cancelled must not take the listing from the others.
                with waiting_for_cloud():
                    made: _Listing = await asyncio.shield(making.task)
            except Exception:
                if making.maker == caller:
                    raise
                sharers = caller
            else:
                return made

    def _start(
        self,
        key: ListingKey,
        make: Callable[[], Awaitable[Any]],
        *,
        maker: tuple[str, int],
        sharers: tuple[str, int] | None,
    ) -> _Making:
        async def run() -> Any:
            began = self._clock()
            try:
                listing = await make()
                self._made[key] = (began, listing)
                return listing
            finally:
                del self._making[key, sharers]

        task = asyncio.create_task(run(), name=f"listing {'/'.join(key)}")
        made = self._making[key, sharers] = _Making(task, maker)
        return made
