"""Handlers of watch events: update the store, then the queues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from keywright.api.names import GRANT_KIND, SOURCE_KIND
from keywright.clouds.sessions import Clock
from keywright.controller.invalid_objects import InvalidObjects
from keywright.controller.queue import DelayingQueue
from keywright.controller.records import GrantRecord, Name
from keywright.controller.sources import COUNT_SETTLES
from keywright.controller.store import Store
from keywright.secrets.ownership import ManagedSecret, managed_secret_from

SEPARATOR = "/"
# The minimum interval between verifications of one source that failing grants cause.
_DOUBTS = timedelta(minutes=1)


def source_key(name: Name) -> str:
    """The key of a source in its queue."""
    return SEPARATOR.join(name)


class EventHandlers:
    """Each method takes one object from the API server, and returns within microseconds."""

    def __init__(
        self,
        *,
        store: Store,
        grants: DelayingQueue,
        sources: DelayingQueue,
        clock: Clock,
        forget_source: Callable[[str], None],
        sources_changed: Callable[[], None],
        invalid: InvalidObjects | None = None,
        expiries: DelayingQueue | None = None,
    ) -> None:
        self._expiries = expiries
        self._store = store
        self._grants = grants
        self._sources = sources
        self._clock = clock
        self._forget_source = forget_source
        self._sources_changed = sources_changed
        self._invalid = invalid or InvalidObjects()
        self._damper = Damper(clock)
        self._count_settles: dict[Name, datetime] = {}
        self._pending_uids: set[str] = set()
        self._arrived = asyncio.Event()

    async def wait_for_initial_events(self, uids: Iterable[str], *, seconds: float) -> int:
        """Wait until the watch has delivered every uid, or nothing new arrived for `seconds`.

        Returns how many are missing: they were deleted meanwhile, or the watch is broken.
        """
        self._pending_uids = set(uids) - self._store.grants.keys()
        while self._pending_uids:
            left = len(self._pending_uids)
            self._arrived.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()
            except TimeoutError:
                if len(self._pending_uids) == left:
                    break
        left, self._pending_uids = len(self._pending_uids), set()
        return left

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of a grant or Secret is newer than those seen or written before."""
        return self._store.is_news(metadata)

    def grant(self, body: Mapping[str, Any], *, deleted: bool = False) -> None:
        """A grant was listed, created, changed or deleted."""
        with self._invalid.reading(GRANT_KIND, body["metadata"]):
            self._grant(body, deleted=deleted)

    def _grant(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        uid = body["metadata"]["uid"]
        if deleted:
            self.drop_grant(uid)
            return
        before = self._store.grants.get(uid)
        if not self._store.put_grant(body):
            return
        self._mark_seen(uid)
        after = self._store.grants[uid]
        if before is not None and before.take_over != after.take_over:
            # Keys of another cluster may be taken over now: no back-off applies.
            after.skip_backoff = True
        due = None
        if before is not None and not is_request(before, after):
            due = self._damper.due(uid, name=f"{after.namespace}/{after.name}")
        self._grants.add(uid, due=due)
        if before is None or before.source != after.source:
            self._count(after.source)
            if before is not None:
                self._count(before.source)
        if after.imports != (before.imports if before is not None else None):
            self._sources_changed()

    def drop_grant(self, uid: str) -> None:
        """A grant was deleted; one that waited for its Secret's name may use it now."""
        record = self._store.drop_grant(uid)
        self._mark_seen(uid)
        self._grants.forget(uid)
        self._damper.forget(uid)
        if self._expiries is not None:
            self._expiries.forget(uid)
        if record is not None:
            self._count(record.source)
            if record.imports is not None:
                self._sources_changed()
            self._wake(self._store.grants_of_secret(record.secret))

    def source(self, body: Mapping[str, Any], *, deleted: bool = False) -> None:
        """A source was listed, created, changed or deleted."""
        with self._invalid.reading(SOURCE_KIND, body["metadata"]):
            self._source(body, deleted=deleted)

    def _source(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        metadata = body["metadata"]
        name = (metadata["namespace"], metadata["name"])
        before = self._store.sources.get(name)
        if deleted:
            if before is not None and before.uid == metadata["uid"]:
                self._store.drop_source(name)
                self._sources.forget(source_key(name))
                self._count_settles.pop(name, None)
                self._forget_source(before.uid)
                self._sources_changed()
                self.wake_grants(name)
            return
        record = self._store.put_source(body)
        if record is None:
            return
        self._sources.add(source_key(name))
        if before is None:
            self._count(name)
        if (
            before is None
            or before.uid != record.uid
            or before.generation != record.generation
            or before.deleting != record.deleting
        ):
            self._sources_changed()
            self.wake_grants(name)

    def secret_of_sources(self, namespace: str, secret: str) -> None:
        """A Secret that sources read has changed values: nothing derived from it is valid.

        Grants that import a value from it are requeued.
        """
        for uid in self._store.grants_that_import((namespace, secret)):
            self._store.grants[uid].skip_backoff = True
            self._grants.add(uid)
        for name, record in self._store.sources.items():
            value = record.value
            if name[0] != namespace or isinstance(value, list) or secret not in value.secret_names:
                continue
            self._forget_source(record.uid)
            record.unproved = True
            record.static_key_id = None
            self._sources.add(source_key(name))
            if value.uses_as_access_key(secret):
                for uid in self._store.grants_of_source(name):
                    self._store.grants[uid].source_key_changed = True
            self.wake_grants(name)

    def look_at_source(self, name: Name) -> None:
        """Requeue the source to update its status."""
        if name in self._store.sources:
            self._sources.add(source_key(name))

    def source_failed(self, name: Name) -> None:
        """Requeue a source that reports Ready for verification, at most once a minute."""
        record, now = self._store.sources.get(name), self._clock()
        if record is None or record.status.failed_attempts:
            return
        if record.doubted_at is not None and timedelta(0) <= now - record.doubted_at < _DOUBTS:
            return
        record.doubted_at, record.doubted = now, True
        self._sources.add(source_key(name))

    def secret(self, metadata: Mapping[str, Any], *, deleted: bool = False) -> None:
        """A watched Secret was listed, created, changed or deleted (or has lost its label)."""
        with self._invalid.reading("Secret", metadata):
            self._secret(metadata, deleted=deleted)

    def _secret(self, metadata: Mapping[str, Any], *, deleted: bool) -> None:
        secret = managed_secret_from(metadata)
        name = (secret.namespace, secret.name)
        if deleted:
            known = self._store.secrets.get(name)
            if known is None or known.uid != secret.uid:
                return
            if secret.resource_version and _is_older(secret, known):
                # It no longer matches the selector of the watch, and was written again since.
                return
            del self._store.secrets[name]
            for uid in self._store.grants_of_secret(name):
                # A back-off that waited for the deletion of the Secret is over.
                self._store.grants[uid].skip_backoff = True
            self._wake_former_owner(known)
        elif not self._store.put_secret(secret):
            return
        self._wake(self._store.grants_of_secret(name))

    def _wake_former_owner(self, secret: ManagedSecret) -> None:
        """Requeue the grant that has left a Secret behind, now that the Secret is deleted."""
        owner = secret.owner_annotation.uid if secret.owner_annotation is not None else ""
        record = self._store.grants.get(owner)
        if record is not None and record.secret != (secret.namespace, secret.name):
            record.former_due = None
            self._grants.add(owner)

    def load_secret(self, metadata: Mapping[str, Any]) -> None:
        """As `secret`, before there is anything to requeue."""
        with self._invalid.reading("Secret", metadata):
            self._store.put_secret(managed_secret_from(metadata))

    def namespaces(self, names: frozenset[str]) -> None:
        """The labels of namespaces have changed: requeue their grants of sources elsewhere."""
        for name, record in self._store.sources.items():
            if isinstance(record.value, list) or not record.value.selects_namespaces:
                continue
            asking = {
                uid
                for uid in self._store.grants_of_source(name)
                if self._store.grants[uid].namespace in names
            }
            for uid in asking:
                self._store.grants[uid].skip_backoff = True
                self._grants.add(uid)
            if asking:
                self._count(name)

    def wake_grants(self, source: Name) -> None:
        """Requeue the grants of a changed source without back-off."""
        for uid in self._store.grants_of_source(source):
            self._store.grants[uid].skip_backoff = True
            self._grants.add(uid)

    def look_at_all(self) -> None:
        """Requeue every grant and source: their due times may be invalid."""
        self._wake(self._store.grants)
        for name in self._store.sources:
            self._sources.add(source_key(name))

    def count_due_at(self, source: Name) -> datetime | None:
        """When the grants of a source should be counted if no more are added or removed until then.

        After a start they arrive one by one, and intermediate numbers are not worth a write.
        """
        return self._count_settles.get(source)

    def _mark_seen(self, uid: str) -> None:
        if self._pending_uids:
            self._pending_uids.discard(uid)
            if not self._pending_uids:
                self._arrived.set()

    def _wake(self, uids: Iterable[str]) -> None:
        for uid in uids:
            self._grants.add(uid)

    def _count(self, source: Name) -> None:
        if source in self._store.sources:
            due = self._count_settles[source] = self._clock() + COUNT_SETTLES
            self._sources.add(source_key(source), due=due)


def _is_older(secret: ManagedSecret, known: ManagedSecret) -> bool:
    return int(secret.resource_version) < int(known.resource_version)


_LOG = logging.getLogger(__name__)
_IMMEDIATE: Final = 5
_FIRST_PAUSE: Final = timedelta(seconds=1)
_MAX_PAUSE: Final = timedelta(minutes=1)
_CALM: Final = timedelta(minutes=10)
# Changes of these fields are handled immediately.
_REQUESTS: Final = ("generation", "deletionTimestamp", "annotations")


def is_request(before: GrantRecord, after: GrantRecord) -> bool:
    """Whether the change of a grant is a request: an edit, a deletion or a renewal.

    A status or finalizer that another client has written is not: it is only corrected.
    """
    old, new = before.parsed()["metadata"], after.parsed()["metadata"]
    return any(old.get(name) != new.get(name) for name in _REQUESTS)


class Damper:
    """Counts the changes of each object; after five in a row, the reaction is delayed.

    The delay doubles from one second to a minute, and is reset after ten minutes without a change.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, datetime]] = {}

    def due(self, key: str, *, name: str) -> datetime | None:
        """When to react to a change that has just arrived; None for immediately."""
        now = self._clock()
        count, last = self._seen.get(key, (0, now))
        count = count + 1 if timedelta(0) <= now - last < _CALM else 1
        self._seen[key] = (count, now)
        if count <= _IMMEDIATE:
            return None
        if count == _IMMEDIATE + 1:
            _LOG.warning(
                "status or finalizers of %s were changed by another manager %d times, retrying"
                " after pauses of up to a minute",
                name,
                count,
            )
        pause: timedelta = _FIRST_PAUSE * 2 ** min(count - _IMMEDIATE - 1, 10)
        return now + min(pause, _MAX_PAUSE)

    def forget(self, key: str) -> None:
        """Drop a deleted object."""
        self._seen.pop(key, None)
