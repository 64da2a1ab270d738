"""Lists beside the watches: what must be known before work begins, and ghosts afterwards.

A watch that had to list anew never tells of what was deleted in between, so that a slow sweep
compares.
"""

from __future__ import annotations

import asyncio
import logging

from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.cluster.errors import ApiError, ApiUnreachableError
from keywright.cluster.objects import Objects
from keywright.controller.informer import Informer
from keywright.controller.store import Store
from keywright.secrets.ownership import facts_from_metadata

_LOG = logging.getLogger(__name__)


class Census:
    """`listed` is set once sources and Secrets are known: without them every grant looks new."""

    def __init__(self, *, store: Store, objects: Objects, informer: Informer) -> None:
        self._store = store
        self._objects = objects
        self._informer = informer
        self.listed = asyncio.Event()

    async def take(self) -> None:
        """List once; raises ApiError or ApiUnreachableError."""
        async for body in self._objects.custom(SOURCE_PLURAL):
            self._informer.source(body)
        async for metadata in self._objects.managed_secrets():
            self._informer.load_secret(facts_from_metadata(metadata))
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
