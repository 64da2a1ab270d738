"""Lists beside the watches: what must be known before work begins, and ghosts afterwards.

A watch that had to list anew never tells of what was deleted in between, so that a slow sweep
compares.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.cluster.errors import ApiError, ApiUnreachableError
from keywright.cluster.objects import Objects
from keywright.controller.informer import Informer
from keywright.controller.store import Store
from keywright.secrets.ownership import facts_from_metadata

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_WATCH_IS_SILENT_SECONDS = 5.0


class Census:
    """`listed` is set once sources, Secrets and grants are known.

    Without the first two every grant looks new; without all grants nobody can tell which is the
    most urgent.
    """

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        informer: Informer,
        load_key: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._store = store
        self._objects = objects
        self._informer = informer
        self._load_key = load_key
        self._key = b""
        self.listed = asyncio.Event()

    def fingerprint_key(self) -> bytes:
        """The key of the fingerprints; there is one once `listed` is set."""
        assert self._key
        return self._key

    async def take(self) -> None:
        """Load the key and list once, tried again until the API server lets us."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._take()
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("not everything can be listed yet, tried again: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                return

    async def _take(self) -> None:
        self._key = await self._load_key()
        async for body in self._objects.custom(SOURCE_PLURAL):
            self._informer.source(body)
        async for metadata in self._objects.managed_secrets():
            self._informer.load_secret(facts_from_metadata(metadata))
        grants = await self._objects.uids(GRANT_PLURAL)
        late = await self._informer.arrival(grants, seconds=_WATCH_IS_SILENT_SECONDS)
        if late:
            _LOG.warning("%d grants were listed, and the watch does not tell of them", late)
        self.listed.set()

    async def sweep(self, *, seconds: float) -> None:
        """Every so often, drop what is gone; for ever."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._drop_ghosts()
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("the sweep is put off: %s", error)

    async def _drop_ghosts(self) -> None:
        known = set(self._store.grants)
        for uid in known - await self._objects.uids(GRANT_PLURAL):
            self._informer.drop_grant(uid)
        sources = {record.uid: record for record in self._store.sources.values()}
        for uid in sources.keys() - await self._objects.uids(SOURCE_PLURAL):
            namespace, name = sources[uid].name
            self._informer.source(
                {"metadata": {"namespace": namespace, "name": name, "uid": uid}}, deleted=True
            )
        secrets = dict(self._store.secrets)
        present = {metadata["uid"] async for metadata in self._objects.managed_secrets()}
        for (namespace, name), facts in secrets.items():
            if facts.uid not in present:
                self._informer.secret(
                    {"namespace": namespace, "name": name, "uid": facts.uid}, deleted=True
                )
