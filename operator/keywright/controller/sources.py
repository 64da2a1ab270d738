"""The reconcile of sources: verify the identity, report it, requeue waiting grants."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from keywright.api.errors import ApiError, ConflictError, Failure
from keywright.api.names import API_VERSION, SOURCE_KIND, SOURCE_PLURAL
from keywright.api.source import CredentialSource, Provider
from keywright.api.status import SourceStatus
from keywright.clouds.classified import unexpected
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.interfaces import CloudProvider, session_warning
from keywright.clouds.sessions import Clock
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import ResourceClient
from keywright.controller.context import Fence, ObjectListener
from keywright.controller.grants.source_access import Tenancy
from keywright.controller.records import Name, SourceRecord
from keywright.controller.settings import KeyTimes
from keywright.controller.static_credentials import StaticCredentials
from keywright.controller.store import Store
from keywright.planning.conditions import CLOCK_SKEWED
from keywright.planning.docs_links import with_links
from keywright.planning.events import Event, event_for
from keywright.planning.sources import (
    Verified,
    failed_status,
    invalid_status,
    skew_notice,
    source_error,
    tells_only_of_dates,
    verification_due,
    verified_status,
    with_clock_skew,
)

_LOG = logging.getLogger(__name__)
# How long the number of grants must be stable before it is written.
COUNT_SETTLES = timedelta(seconds=3)
# The minimum interval between writes of session dates alone.
DATES_REST = timedelta(minutes=1)
# The minimum interval between requests for the time of a cloud with clock skew.
SKEW_REST = timedelta(minutes=5)


class SourceReconciler:
    """Reconciles the status of one source."""

    def __init__(
        self,
        *,
        store: Store,
        objects: ResourceClient,
        providers: Mapping[Provider, CloudProvider],
        listener: ObjectListener,
        wake_grants: Callable[[Name], None],
        count_due_at: Callable[[Name], datetime | None],
        tenancy: Tenancy,
        fence: Fence,
        events: EventWriter,
        skews: ClockSkews,
        times: KeyTimes,
        clock: Clock,
        docs_url: str = "",
    ) -> None:
        self._docs_url = docs_url
        self._static = StaticCredentials(
            providers=providers, times=times, wake_grants=wake_grants, clock=clock
        )
        self._skews = skews
        self._store = store
        self._objects = objects
        self._providers = providers
        self._listener = listener
        self._wake_grants = wake_grants
        self._count_settles_at = count_due_at
        self._tenancy = tenancy
        self._fence = fence
        self._events = events
        self._clock = clock

    async def reconcile(self, name: Name) -> datetime | None:
        """When the source must be reconciled again."""
        known = self._store.sources.get(name)
        if known is None or known.deleting:
            return None
        await self._ask_for_the_time(known)
        status = self._with_clock_skew(known, await self._status(known))
        now = self._clock()
        writable_at = self._writable_at(known, status, now=now)
        if now < writable_at:
            known.status, known.unwritten = status, True
        elif known.unwritten or status != known.status:
            await self._patch(known, status)
        settles_at = self._count_settles_at(name)
        due = [settles_at] if settles_at is not None and settles_at > now else []
        due += [writable_at] if known.unwritten else []
        due += [now + SKEW_REST] if status.condition(CLOCK_SKEWED) is not None else []
        if not isinstance(known.value, list) and not source_error(known.value):
            verify_at = verification_due(
                status, generation=known.generation, uid=known.uid, now=now
            )
            verify_at = verify_at or self._static.due(known)
            due += [verify_at] if verify_at is not None else []
        return min(due, default=None)

    async def _ask_for_the_time(self, known: SourceRecord) -> None:
        """Check every few minutes whether the clock of a cloud is still skewed.

        Also after the operator's own clock was set, which is not visible otherwise.
        """
        now, seen = self._clock(), self._skews.of_source(known.uid)
        reported = known.status.condition(CLOCK_SKEWED) is not None
        old = seen is None or seen.stale or now - seen.at >= SKEW_REST
        wanted = (reported and old) or (seen is not None and seen.stale)
        asked = known.time_asked_at
        just_asked = asked is not None and timedelta(0) <= now - asked < SKEW_REST
        if not wanted or just_asked or not isinstance(known.value, CredentialSource):
            return
        known.time_asked_at = now
        try:
            await self._providers[known.value.provider].ask(known.value)
        except Failure as failure:
            # The verification decides whether it can be used.
            _LOG.debug("asking a cloud for its time failed: %s", failure.reason)

    def _with_clock_skew(self, known: SourceRecord, status: SourceStatus) -> SourceStatus:
        seen = self._skews.of_source(known.uid)
        source = known.value
        return with_clock_skew(
            known.status,
            status,
            skew=None if seen is None or seen.stale else seen.skew,
            endpoint_field="" if isinstance(source, list) else source.endpoint_field,
            generation=known.generation,
            now=self._clock(),
        )

    def _writable_at(self, known: SourceRecord, status: SourceStatus, *, now: datetime) -> datetime:
        """When the status may be written: now, unless only its dates changed shortly before.

        A session that is valid for half a minute is not worth a write each time.
        """
        pending = known.unwritten or status != known.status
        if not pending or known.written_at is None or known.written_at > now:
            return now
        if not tells_only_of_dates(known.status, status):
            return now
        return max(now, known.written_at + DATES_REST)

    async def _status(self, known: SourceRecord) -> SourceStatus:
        now = self._clock()
        grants = self._grants(known, now=now)
        mistake = source_error(known.value)
        provider = None if isinstance(known.value, list) else known.value.provider.value
        if mistake is not None:
            return invalid_status(
                known.status,
                mistake,
                provider=provider,
                generation=known.generation,
                grants=grants,
                now=now,
            )
        assert isinstance(known.value, CredentialSource)
        due = verification_due(known.status, generation=known.generation, uid=known.uid, now=now)
        # A refusal of a grant is not a failure of the source while sessions can be opened.
        doubted = known.doubted and self._providers[known.value.provider].is_doubtful(known.value)
        known.doubted = False
        if known.unproved or doubted or (due is not None and due <= now):
            return await self._verify(known, known.value, grants=grants)
        failure = None
        if due is None and (try_at := self._static.due(known)) is not None and try_at <= now:
            failure = await self._static.refusal(known, known.value)
        if failure is None:
            return msgspec.structs.replace(known.status, grants=grants)
        return failed_status(
            known.status,
            failure,
            provider=provider,
            generation=known.generation,
            grants=grants,
            now=self._clock(),
        )

    def _grants(self, known: SourceRecord, *, now: datetime) -> int:
        """The number of grants that may and do use it; as last written while that changes."""
        settles_at = self._count_settles_at(known.name)
        reported = known.status.grants
        if reported is not None and settles_at is not None and now < settles_at:
            return reported
        source = known.value
        users = self._store.grants_of_source(known.name)
        namespaces = (self._store.grants[uid].namespace for uid in users)
        if isinstance(source, list):
            return sum(namespace == known.name[0] for namespace in namespaces)
        return sum(
            self._tenancy.is_allowed_cached(namespace, source=source) for namespace in namespaces
        )

    async def _verify(
        self, known: SourceRecord, source: CredentialSource, *, grants: int
    ) -> SourceStatus:
        # Changes from here on must be verified again.
        known.unproved = False
        try:
            session, caller = await self._providers[source.provider].verify(source)
        except Exception as error:
            return failed_status(
                known.status,
                unexpected(error, what="verifying the source"),
                provider=source.provider.value,
                generation=known.generation,
                grants=grants,
                now=self._clock(),
                has_session=self._providers[source.provider].has_session(source),
            )
        endless = session.expires_at is None and not source.credentials_end
        known.static_key_id = session.access_key_id if endless else None
        if session.expires_at is None:
            self._static.verified(known)
        was_failing = known.status.failed_attempts > 0
        status = verified_status(
            known.status,
            Verified(
                identity=caller.identity,
                account_id=caller.account_id,
                issued_at=session.issued_at,
                expires_at=session.expires_at,
                warning=session_warning(session),
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
                status=with_links(status, docs_url=self._docs_url).to_body(),
            )
        except ApiError as error:
            if error.is_missing:
                return
            if not error.is_conflict:
                raise
            found = await self._objects.object(SOURCE_PLURAL, namespace=namespace, name=name)
            if found is not None:
                self._listener.source(found)
            raise ConflictError from error
        reported = (event_for(known.status, status), skew_notice(known.status, status))
        known.status, known.unwritten = status, False
        known.written_at = self._clock()
        known.version = max(known.version, int(version))
        for each in filter(None, reported):
            await self._post(known, each)

    async def _post(self, known: SourceRecord, event: Event) -> None:
        """Log the Event and post it."""
        namespace, name = known.name
        _LOG.log(
            logging.WARNING if event.warning else logging.INFO,
            "%s: %s",
            event.reason,
            event.note,
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
            warning=event.warning,
            reason=event.reason,
            note=event.note,
        )
