"""The initial lists that must complete before work begins, and the resync that finds deletions.

A watch that had to list again never reports what was deleted in between, so a slow resync compares
the store with the API server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.cluster.objects import ResourceClient
from keywright.controller.event_handlers import EventHandlers
from keywright.controller.store import Store

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.25
_MAX_PAUSE_SECONDS = 10.0
_WATCH_IS_SILENT_SECONDS = 5.0
# Checks of grants without sources, over about four seconds, before they are accepted as they are.
_LOOKS_FOR_SOURCES = 4
_KINDS = frozenset({SOURCE_PLURAL, GRANT_PLURAL})
_NO_CRDS = "the CRDs are not installed: apply crds/ of this version; it begins when they are there"


class CrdReappearedError(Exception):
    """Not a failure: the process restarts in place, to watch all kinds."""


class InitialSync:
    """The initial state of the cluster.

    `served` is set once the API server serves the CRDs: before, there is nothing to watch; `listed`
    is set once sources, Secrets and grants are listed: without the first two every grant looks new,
    and without all grants the most urgent one is unknown.
    """

    def __init__(
        self,
        *,
        store: Store,
        objects: ResourceClient,
        event_handlers: EventHandlers,
        load_key: Callable[[], Awaitable[bytes]],
        load_cluster_id: Callable[[], Awaitable[str]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._objects = objects
        self._event_handlers = event_handlers
        self._load_key = load_key
        self._load_cluster_id = load_cluster_id
        self._pause = pause
        self._key = b""
        self._cluster_id = ""
        self._complete = True
        self._alone = 0
        self.served = asyncio.Event()
        self.synced = asyncio.Event()

    def not_ready_reason(self) -> str:
        """What has not been listed yet, as a sentence; empty once everything is."""
        if not self.served.is_set():
            return _NO_CRDS
        return "" if self.synced.is_set() else "not everything is listed yet"

    def fingerprint_key(self) -> bytes:
        """The key of the fingerprints; available once `listed` is set."""
        assert self._key
        return self._key

    def cluster_id(self) -> str:
        """The ID of the cluster; available once `listed` is set."""
        assert self._cluster_id
        return self._cluster_id

    async def run(self) -> None:
        """Wait for the CRDs, load the key and list once; retried until the API server allows it.

        Grants without the other kind are handled as well: if both CRDs are being deleted, that of
        grants waits for the finalizers of this operator. In that case it never returns.

        Raises:
            CrdReappearedError: sources can be watched from now on, which needs a restart in place.
        """
        for pause in _pauses():
            if await self._tried():
                break
            await self._pause(pause)
        while not self._complete:
            await self._pause(_MAX_PAUSE_SECONDS)
            if await self._kinds() == _KINDS:
                raise CrdReappearedError("the CRD of CredentialSource is there again")

    async def _tried(self) -> bool:
        try:
            kinds = await self._objects.served()
            if not self._may_begin(kinds):
                _LOG.warning(_NO_CRDS)
                return False
            self.served.set()
            await self._take(kinds)
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("not everything can be listed yet, tried again: %s", error)
            return False
        return True

    def _may_begin(self, kinds: frozenset[str]) -> bool:
        """Whether work can begin: with both kinds, or with grants alone after some checks."""
        self._complete = kinds >= _KINDS
        if self._complete or GRANT_PLURAL not in kinds:
            self._alone = 0
            return self._complete
        self._alone += 1
        return self._alone > _LOOKS_FOR_SOURCES

    async def _kinds(self) -> frozenset[str]:
        try:
            return await self._objects.served() & _KINDS
        except (ApiError, ApiUnreachableError):
            return frozenset()

    async def _take(self, kinds: frozenset[str]) -> None:
        self._key = await self._load_key()
        self._cluster_id = await self._load_cluster_id()
        if SOURCE_PLURAL in kinds:
            async for body in self._objects.custom(SOURCE_PLURAL):
                self._event_handlers.source(body)
        async for metadata in self._objects.managed_secrets():
            self._event_handlers.load_secret(metadata)
        grants = await self._objects.uids(GRANT_PLURAL)
        late = await self._event_handlers.wait_for_initial_events(
            grants, seconds=_WATCH_IS_SILENT_SECONDS
        )
        if late:
            _LOG.warning("watch has not delivered %d listed grants", late)
        self.synced.set()

    async def resync(self, *, seconds: float) -> None:
        """Drop deleted objects from the store at every interval; runs until cancelled."""
        while True:
            await self._pause(seconds)
            try:
                await self._drop_deleted()
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("resync failed, will retry: %s", error)

    async def _drop_deleted(self) -> None:
        known = set(self._store.grants)
        for uid in known - await self._objects.uids(GRANT_PLURAL):
            self._event_handlers.drop_grant(uid)
        sources = {record.uid: record for record in self._store.sources.values()}
        for uid in sources.keys() - await self._objects.uids(SOURCE_PLURAL):
            namespace, name = sources[uid].name
            self._event_handlers.source(
                {"metadata": {"namespace": namespace, "name": name, "uid": uid}}, deleted=True
            )
        secrets = dict(self._store.secrets)
        present = await self._objects.managed_secret_uids()
        for (namespace, name), state in secrets.items():
            # The grant that owns it reads one outside the watch.
            read = not state.watched and self._store.grants_of_secret((namespace, name))
            if state.uid not in present and not read:
                self._event_handlers.secret(
                    {"namespace": namespace, "name": name, "uid": state.uid}, deleted=True
                )


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * 2, _MAX_PAUSE_SECONDS)
