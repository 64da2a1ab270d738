"""The steps of the mint journal, carried out: the cloud's keys, the finalizer, the way out.

Which step is next is `planning.journal`'s and `planning.ending`'s business. What a step has found
is kept here for the very next look at the grant, and for no other: a listing or an intent of before
is as good as none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from keywright.api.names import API_VERSION, FINALIZER, GRANT_KIND, GRANT_PLURAL
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.classified import unexpected
from keywright.clouds.ways import KeptKeys, Vendor
from keywright.cluster.errors import ApiError
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import Objects
from keywright.controller.changed import ChangedMeanwhileError, Fence, Listener
from keywright.controller.cluster_refusals import held_back
from keywright.controller.records import Name
from keywright.controller.store import Store
from keywright.planning.cloud_keys import known_ids
from keywright.planning.facts import (
    CloudKey,
    Deactivate,
    Facts,
    Finalize,
    Intend,
    JournalStep,
    Look,
    Release,
    Remove,
    Revoke,
    Settle,
    Subject,
)
from keywright.planning.outcomes import Intended, Outcome, Removed, Settled
from keywright.secrets.ownership import facts_from_metadata
from keywright.telemetry.metrics import Metrics

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Found:
    """What the step before has found out about a grant."""

    listed: tuple[CloudKey, ...] | None = None
    intent: datetime | None = None


class MintJournal:
    """Carries out the steps of the journal, for all grants."""

    def __init__(
        self,
        *,
        store: Store,
        listener: Listener,
        objects: Objects,
        vendors: Mapping[Provider, Vendor],
        fence: Fence,
        events: EventWriter,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._listener = listener
        self._objects = objects
        self._vendors = vendors
        self._fence = fence
        self._events = events
        self._metrics = metrics
        self._found: dict[str, _Found] = {}
        self._unreadable: set[str] = set()
        self._last_sources: dict[Name, CredentialSource] = {}

    def add_to(self, facts: Facts, *, finalizers: tuple[str, ...], deleting: bool) -> Facts:
        """The facts with those of the journal; a listing and an intent are handed out once."""
        uid, grant = facts.subject.uid, facts.grant
        found = self._found.pop(uid, _Found())
        source, pending = facts.source, facts.status.pending
        if grant is not None and grant.keeping is not None:
            if source is not None:
                self._last_sources[grant.source_key] = source
            elif deleting:
                source = self._last_sources.get(grant.source_key)
        return replace(
            facts,
            source=source,
            deleting=deleting,
            finalized=FINALIZER in finalizers,
            listed=found.listed,
            intent_is_ours=found.intent is not None
            and pending is not None
            and pending.started_at == found.intent,
            unreadable=uid in self._unreadable,
        )

    async def prepare(self, facts: Facts) -> None:
        """Bring the holder of the grant's keys to where it should be, where keys are held."""
        if facts.grant is not None and facts.grant.keeping is not None:
            await (await self._keys(facts)).prepare(known_ids(facts))

    def intent_is_written(self, uid: str, *, at: datetime | None) -> None:
        """The next look at the grant may create a key, if the intent still stands."""
        self._found[uid] = _Found(intent=at)

    def cannot_be_read(self, uid: str) -> None:
        """The Secret does not give its key back: a new one is made, by the journal."""
        self._unreadable.add(uid)

    def is_written(self, uid: str) -> None:
        """The Secret holds a key that was just written."""
        self._unreadable.discard(uid)

    async def undo(self, facts: Facts, key_id: str) -> bool:
        """Remove a key that could not be handed over; what fails is cleared up by the journal."""
        try:
            left = await (await self._keys(facts)).remove((key_id,))
        except Exception as error:
            failure = unexpected(error, what="removing a key")
            _LOG.warning(
                "removing a key that nobody has failed, retrying later: %s", failure.sentence()
            )
            return False
        return not left

    async def carry_out(self, step: JournalStep, facts: Facts) -> Outcome | None:
        """What came of it; None where nothing is to be recorded. Raises Failure."""
        subject = facts.subject
        match step:
            case Finalize():
                await self._set_finalizer(facts.subject, wanted=True)
            case Look(prepare):
                await self._look(facts, prepare=prepare)
            case Intend(baseline):
                return Intended(baseline)
            case Settle():
                return Settled()
            case Deactivate(key_ids):
                self._fence.check()
                await (await self._keys(facts)).deactivate(key_ids)
            case Remove(key_ids, lost=lost):
                if lost:
                    await self._check_that_nobody_has(key_ids, facts)
                self._fence.check()
                await self._remove(facts, key_ids)
                return Removed(key_ids, lost=lost)
            case Revoke(key_ids):
                self._fence.check()
                await self._remove(facts, key_ids, and_holder=True)
                await self._set_finalizer(subject, wanted=False)
            case Release(orphaned, why):
                # Told once: a grant that has changed meanwhile is looked at again first.
                await self._set_finalizer(subject, wanted=False)
                await self._tell_of_orphans(facts, orphaned, why=why)
        return None

    async def _look(self, facts: Facts, *, prepare: bool) -> None:
        grant = facts.grant
        assert grant is not None
        if prepare and facts.secret is None:
            await self._check_the_name(facts)
        keys = await self._keys(facts)
        if prepare:
            self._fence.check()
            await keys.prepare(known_ids(facts))
        self._found[grant.uid] = _Found(listed=await keys.look(known_ids(facts)))

    async def _check_the_name(self, facts: Facts) -> None:
        """A key that cannot be written is not made: see whose the Secret's name is first."""
        grant = facts.grant
        assert grant is not None
        name = (grant.namespace, grant.secret_name)
        metadata = await self._objects.secret_metadata(namespace=name[0], name=name[1])
        if metadata is None:
            return
        if "deletionTimestamp" in metadata:
            raise held_back(grant)
        raise SecretStandsError(name)

    async def _check_that_nobody_has(self, key_ids: tuple[str, ...], facts: Facts) -> None:
        """The watch may be behind a Secret that was written without an answer: ask for it."""
        grant = facts.grant
        assert grant is not None
        metadata = await self._objects.secret_metadata(
            namespace=grant.namespace, name=grant.secret_name
        )
        if metadata is None:
            return
        secret = facts_from_metadata(metadata)
        if secret.key_id in key_ids and secret.granted_by is not None:
            self._store.put_secret(secret)
            raise ChangedMeanwhileError

    async def _remove(
        self, facts: Facts, key_ids: tuple[str, ...], *, and_holder: bool = False
    ) -> None:
        keys = await self._keys(facts)
        left = await keys.remove(key_ids, and_holder=and_holder)
        if left:
            await self._tell_of_orphans(facts, left, why="they are of another account")

    async def _keys(self, facts: Facts) -> KeptKeys:
        grant, source = facts.grant, facts.source
        assert grant is not None
        assert source is not None
        return await self._vendors[source.provider].keys(grant, source=source)

    async def _set_finalizer(self, subject: Subject, *, wanted: bool) -> None:
        record = self._store.grants.get(subject.uid)
        held = tuple(record.parsed()["metadata"].get("finalizers", ())) if record else ()
        others = tuple(name for name in held if name != FINALIZER)
        self._fence.check()
        try:
            body = await self._objects.set_finalizers(
                GRANT_PLURAL,
                namespace=subject.namespace,
                name=subject.name,
                resource_version=subject.resource_version,
                finalizers=(*others, FINALIZER) if wanted else others,
            )
        except ApiError as error:
            if error.is_missing:
                self._listener.drop_grant(subject.uid)
                return
            if not error.is_conflict:
                raise
            raise StaleObjectError(subject) from error
        self._store.put_own(body)

    async def _tell_of_orphans(self, facts: Facts, key_ids: tuple[str, ...], *, why: str) -> None:
        """An Event, a metric and a log line that name what is left."""
        subject, pending = facts.subject, facts.status.pending
        told = list(key_ids)
        if facts.deleting and why and pending is not None:
            told.append(f"a key that may have been created at {pending.started_at}")
        if not told:
            return
        kind = facts.status.kind or "unknown"
        self._metrics.orphaned(kind, count=len(told))
        note = f"left in the cloud: {', '.join(told)}, because {why}"
        grant = f"{subject.namespace}/{subject.name}"
        _LOG.error("CredentialsOrphaned: %s", note, extra={"grant": grant})
        await self._events.post(
            {
                "apiVersion": API_VERSION,
                "kind": GRANT_KIND,
                "namespace": subject.namespace,
                "name": subject.name,
                "uid": subject.uid,
            },
            warning=True,
            reason="CredentialsOrphaned",
            note=note,
        )


class SecretStandsError(ChangedMeanwhileError):
    """A Secret that the watch does not show stands at the name."""

    def __init__(self, name: Name) -> None:
        super().__init__(name)
        self.name = name


class StaleObjectError(ChangedMeanwhileError):
    """The object has changed; what is known of it must be read again."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self.subject = subject
