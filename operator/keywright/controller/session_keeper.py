"""Keep a valid session of each source that has keys to revoke.

A terminating namespace issues no tokens, and the source may be deleted before its grants: their
keys are then revoked with the session in memory. After a restart there is none, so sessions are
opened as soon as the operator is the leader, those of grants in deletion first, and before the old
ones expire.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from keywright.api.errors import Failure
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.interfaces import CloudProvider
from keywright.controller.records import Name
from keywright.controller.store import Store

_LOG = logging.getLogger(__name__)
# A session is opened long before it is needed; only the start cannot wait for a round.
_ROUND_SECONDS = 10.0
_STANDBY_SECONDS = 0.1
# The pause between two sources: a thousand of them take less than a minute.
_PACE_SECONDS = 0.05
# A failing source is reported by its own status, and skipped here for some rounds.
_ROUNDS_OF_REST = 6


class SessionKeeper:
    """Opens the sessions, each in a task of its own: a slow endpoint blocks no other source."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[Provider, CloudProvider],
        leads: Callable[[], bool],
        source_failed: Callable[[Name], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._providers = providers
        self._leads = leads
        self._source_failed = source_failed
        self._pause = pause
        self._opening: dict[Name, asyncio.Task[None]] = {}
        self._resting: dict[Name, int] = {}

    async def run(self) -> None:
        """Run until cancelled; the first round begins shortly after leadership is acquired."""
        try:
            while True:
                while not self._leads():
                    await self._pause(_STANDBY_SECONDS)
                await self.round()
                await self._pause(_ROUND_SECONDS)
        finally:
            for task in self._opening.values():
                task.cancel()

    async def round(self) -> None:
        """Start opening the missing sessions; a valid session needs nothing."""
        records = [record for record in self._store.grants.values() if record.has_keys_to_revoke]
        wanted = {record.source for record in records}
        urgent = {record.source for record in records if record.deleting}
        self._resting = {
            name: rounds - 1
            for name, rounds in self._resting.items()
            if rounds > 1 and name in wanted
        }
        missing = wanted - self._opening.keys() - self._resting.keys()
        for name in sorted(missing, key=lambda name: (name not in urgent, name)):
            record = self._store.sources.get(name)
            if record is None or not isinstance(record.value, CredentialSource):
                continue
            if record.deleting and name not in urgent:
                continue
            task = asyncio.create_task(self._hold(name, record.value), name=f"session of {name}")
            self._opening[name] = task
            await self._pause(_PACE_SECONDS)

    async def _hold(self, name: Name, source: CredentialSource) -> None:
        try:
            await self._providers[source.provider].hold(source)
        except Failure as failure:
            self._resting[name] = _ROUNDS_OF_REST
            self._source_failed(name)
            _LOG.debug("opening a session failed, retrying later: %s", failure.reason)
        finally:
            self._opening.pop(name, None)
