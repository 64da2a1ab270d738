"""The reconcile of sources: verify who we are, tell it, wake the grants that wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from keywright.api.names import API_VERSION, SOURCE_KIND, SOURCE_PLURAL
from keywright.api.source import CredentialSource, Provider
from keywright.api.status import SourceStatus
from keywright.clouds.classified import unexpected
from keywright.clouds.sessions import Clock
from keywright.clouds.ways import Vendor
from keywright.cluster.errors import ApiError
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import Objects
from keywright.controller.changed import ChangedMeanwhileError, Fence, Listener
from keywright.controller.records import Name, SourceRecord
from keywright.controller.store import Store
from keywright.controller.tenancy import Tenancy
from keywright.planning.notices import notice
from keywright.planning.sources import (
    Verified,
    failed_status,
    mistaken_status,
    source_mistake,
    verification_due,
    verified_status,
)

_LOG = logging.getLogger(__name__)
# How long the number of grants must have been quiet before it is written.
COUNT_SETTLES = timedelta(seconds=3)


class SourceReconciler:
    """Brings the status of one source to where it should be."""

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        vendors: Mapping[Provider, Vendor],
        listener: Listener,
        wake_grants: Callable[[Name], None],
        count_settles_at: Callable[[Name], datetime | None],
        tenancy: Tenancy,
        fence: Fence,
        events: EventWriter,
        clock: Clock,
    ) -> None:
        self._store = store
        self._objects = objects
        self._vendors = vendors
        self._listener = listener
        self._wake_grants = wake_grants
        self._count_settles_at = count_settles_at
        self._tenancy = tenancy
        self._fence = fence
        self._events = events
        self._clock = clock

    async def reconcile(self, name: Name) -> datetime | None:
        """When the source must be looked at again."""
        known = self._store.sources.get(name)
        if known is None or known.deleting:
            return None
        status = await self._status(known)
        if status != known.status:
            await self._patch(known, status)
        now = self._clock()
        settles_at = self._count_settles_at(name)
        due = [settles_at] if settles_at is not None and settles_at > now else []
        if not isinstance(known.value, list) and not source_mistake(known.value):
            verify_at = verification_due(
                status, generation=known.generation, uid=known.uid, now=now
            )
            due += [verify_at] if verify_at is not None else []
        return min(due, default=None)

    async def _status(self, known: SourceRecord) -> SourceStatus:
        now = self._clock()
        grants = self._grants(known, now=now)
        mistake = source_mistake(known.value)
        provider = None if isinstance(known.value, list) else known.value.provider.value
        if mistake is not None:
            return mistaken_status(
                known.status,
                mistake,
                provider=provider,
                generation=known.generation,
                grants=grants,
                now=now,
            )
        assert isinstance(known.value, CredentialSource)
        due = verification_due(known.status, generation=known.generation, uid=known.uid, now=now)
        # While a session is in memory the source can be used, whatever a grant was refused.
        doubted = known.doubted and not self._vendors[known.value.provider].has_session(known.value)
        known.doubted = False
        if not known.unproved and not doubted and (due is None or due > now):
            return msgspec.structs.replace(known.status, grants=grants)
        return await self._verify(known, known.value, grants=grants)

    def _grants(self, known: SourceRecord, *, now: datetime) -> int:
        """How many use it and may; as told before, while they come and go."""
        settles_at = self._count_settles_at(known.name)
        told = known.status.grants
        if told is not None and settles_at is not None and now < settles_at:
            return told
        source = known.value
        users = self._store.grants_of_source(known.name)
        namespaces = (self._store.grants[uid].namespace for uid in users)
        if isinstance(source, list):
            return sum(namespace == known.name[0] for namespace in namespaces)
        return sum(self._tenancy.counts(namespace, source=source) for namespace in namespaces)

    async def _verify(
        self, known: SourceRecord, source: CredentialSource, *, grants: int
    ) -> SourceStatus:
        # What changes from here on is to be proved again.
        known.unproved = False
        try:
            session, caller = await self._vendors[source.provider].verify(source)
        except Exception as error:
            return failed_status(
                known.status,
                unexpected(error, what="verifying the source"),
                provider=source.provider.value,
                generation=known.generation,
                grants=grants,
                now=self._clock(),
                has_session=self._vendors[source.provider].has_session(source),
            )
        endless = session.expires_at is None and not source.credentials_end
        known.hands_on = session.access_key_id if endless else None
        was_failing = known.status.failed_attempts > 0
        status = verified_status(
            known.status,
            Verified(
                identity=caller.identity,
                account_id=caller.account_id,
                issued_at=session.issued_at,
                expires_at=session.expires_at,
            ),
            provider=source.provider.value,
            uid=known.uid,
            generation=known.generation,
            grants=grants,
            now=self._clock(),
        )
        if was_failing or endless:
            self._wake_grants(known.name)
        return status

    async def _patch(self, known: SourceRecord, status: SourceStatus) -> None:
        namespace, name = known.name
        self._fence.check()
        try:
            version = await self._objects.patch_status(
                SOURCE_PLURAL,
                namespace=namespace,
                name=name,
                resource_version=str(known.version),
                status=status.to_body(),
            )
        except ApiError as error:
            if error.is_missing:
                return
            if not error.is_conflict:
                raise
            found = await self._objects.object(SOURCE_PLURAL, namespace=namespace, name=name)
            if found is not None:
                self._listener.source(found)
            raise ChangedMeanwhileError from error
        told = notice(known.status, status)
        known.status = status
        known.version = max(known.version, int(version))
        if told is not None:
            _LOG.log(
                logging.WARNING if told.warning else logging.INFO,
                "%s: %s",
                told.reason,
                told.note,
                extra={"source": f"{namespace}/{name}"},
            )
            await self._events.post(
                {
                    "apiVersion": API_VERSION,
                    "kind": SOURCE_KIND,
                    "namespace": namespace,
                    "name": name,
                    "uid": known.uid,
                },
                warning=told.warning,
                reason=told.reason,
                note=told.note,
            )
