"""The steps of the mint journal, carried out: the cloud's keys, the finalizer, the way out.

Which step is next is `planning.journal`'s and `planning.ending`'s business. What a step has found
is kept here for the very next look at the grant, and for no other: a listing or an intent of before
is as good as none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from keywright.api.grant import ApiKeyGrant
from keywright.api.names import FINALIZER, GRANT_PLURAL
from keywright.api.source import Provider
from keywright.api.status import GrantStatus
from keywright.clouds.classified import unexpected
from keywright.clouds.ways import Evidence, GrantVendor, KeptKeys
from keywright.cluster.errors import ApiError
from keywright.cluster.objects import Objects
from keywright.controller.changed import ChangedMeanwhileError, Fence, Listener
from keywright.controller.cluster_refusals import held_back
from keywright.controller.key_checks import KeyChecks
from keywright.controller.key_proofs import KeyProofs, Others
from keywright.controller.orphans import Orphans
from keywright.controller.records import Name
from keywright.controller.recovering import recovered
from keywright.controller.store import Store
from keywright.planning.cloud_keys import checked_by_listing, known_ids
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
    Standing,
    Subject,
)
from keywright.planning.failures import Failure
from keywright.planning.outcomes import Intended, Outcome, Removed, Settled, Written
from keywright.secrets.credential import API_KEY
from keywright.secrets.ownership import facts_from_metadata

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Found:
    """What the step before has found out about a grant."""

    listed: tuple[CloudKey, ...] | None = None
    unprepared: bool = False
    intent: datetime | None = None


class MintJournal:
    """Carries out the steps of the journal, for all grants."""

    def __init__(
        self,
        *,
        store: Store,
        listener: Listener,
        objects: Objects,
        vendors: Mapping[Provider, GrantVendor],
        proofs: KeyProofs,
        checks: KeyChecks,
        fingerprint_key: Callable[[], bytes],
        fence: Fence,
        orphans: Orphans,
    ) -> None:
        self._store = store
        self._listener = listener
        self._objects = objects
        self._vendors = vendors
        self._proofs = proofs
        self._checks = checks
        self._key = fingerprint_key
        self._fence = fence
        self._orphans = orphans
        self._found: dict[str, _Found] = {}
        self._unreadable: set[str] = set()

    def add_to(
        self,
        facts: Facts,
        *,
        impatient: bool,
        finalizers: tuple[str, ...],
        deleting: bool,
        deleting_since: datetime | None = None,
    ) -> Facts:
        """The facts with those of the journal; a listing and an intent are handed out once."""
        uid = facts.subject.uid
        found, pending = self._found.pop(uid, _Found()), facts.status.pending
        grant, others = facts.grant, Others()
        keeping = grant.keeping if grant is not None else None
        if grant is not None and keeping is not None and found.listed and not keeping.tagged:
            others = self._proofs.of_others(grant)
        found_out = replace(
            facts,
            impatient=impatient,
            deleting=deleting,
            deleting_since=deleting_since,
            finalized=FINALIZER in finalizers,
            listed=found.listed,
            unprepared=found.unprepared,
            others_ids=others.ids,
            contested=others.creating,
            intent_is_ours=found.intent is not None
            and pending is not None
            and pending.started_at == found.intent,
            unreadable=uid in self._unreadable,
        )
        return self._checks.add_to(checked_by_listing(found_out))

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

    def is_written(self, uid: str, key_id: str | None) -> None:
        """The Secret was just written, with a new key of that id."""
        self._unreadable.discard(uid)
        self._checks.issued(uid, key_id)

    async def verify(self, facts: Facts) -> None:
        """Look up the key in use; a lookup that fails is repeated, and reported by the log only."""
        secret = facts.secret
        assert secret is not None
        assert secret.key_id is not None
        found: bool | None = None
        try:
            keys = await self._keys(facts)
            found = await keys.shows(secret.key_id, known_ids(facts), secret.entries)
        except Failure as failure:
            _LOG.warning(
                "looking up a key failed, retrying later: %s",
                failure.sentence(),
                extra={"grant": f"{facts.subject.namespace}/{facts.subject.name}"},
            )
        self._checks.looked_up(facts, found=found)

    async def undo(self, facts: Facts, key_id: str) -> bool:
        """Remove a key that could not be handed over; what fails is cleared up by the journal."""
        try:
            left = await (await self._keys(facts)).remove((key_id,))
        except Exception as error:
            why = (
                "the source was edited"
                if isinstance(error, ChangedMeanwhileError)
                else unexpected(error, what="removing a key").sentence()
            )
            _LOG.warning("removing a key that nobody has failed, retrying later: %s", why)
            return False
        return not left

    async def carry_out(self, step: JournalStep, facts: Facts) -> Outcome | None:
        """What came of it; None where nothing is to be recorded. Raises Failure."""
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
            case Remove(key_ids, lost=lost, unproved=unproved):
                if lost:
                    await self._check_that_nobody_has(key_ids, facts)
                self._fence.check()
                if key_ids:
                    await self._remove(facts, key_ids)
                return Removed((*key_ids, *unproved), lost=lost)
            case Revoke() | Release():
                await self._end(step, facts)
        return None

    async def _end(self, step: Revoke | Release, facts: Facts) -> None:
        """Let the grant go, with its keys or with a report of what is left."""
        if isinstance(step, Revoke):
            self._fence.check()
            await self._remove(facts, step.key_ids, and_holder=True)
        new: frozenset[str] = frozenset()
        if isinstance(step, Release):
            # Listed first: once the grant is gone, nothing else knows of its keys.
            new = await self._orphans.keep(facts, step.orphaned, why=step.why)
        # Reported once: a grant that has changed meanwhile is looked at again first.
        await self._set_finalizer(facts.subject, wanted=False)
        if isinstance(step, Release):
            await self._orphans.report(facts, new, why=step.why)
        if isinstance(step, Revoke) or step.why:
            await self._orphans.report_unproved(facts, facts.unproved_ids)

    async def report_unproved(
        self, facts: Facts, status: GrantStatus, outcome: Outcome | None
    ) -> None:
        """Name the keys that the status no longer mentions and that nothing proved to be ours."""
        before, after = _ids_of(facts.status), _ids_of(status)
        if isinstance(outcome, Written):
            # With its Secret, which named them as well.
            await self._orphans.report_unproved(facts, facts.unproved_ids - after)
        elif isinstance(outcome, Removed):
            await self._orphans.report_unproved(facts, facts.unproved_ids & before - after)

    async def _look(self, facts: Facts, *, prepare: bool) -> None:
        grant = facts.grant
        assert grant is not None
        if prepare and facts.secret is None:
            await self._check_the_name(facts)
        keys = await self._keys(facts)
        # Listing sets tags that are missing.
        self._fence.check()
        if prepare:
            await keys.prepare(known_ids(facts))
        listed = await keys.look(known_ids(facts) | facts.unproved_ids)
        self._found[grant.uid] = _Found(listed=listed, unprepared=not prepare)

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
            why = "the source's role is of another account, or the keys' holder is not ours"
            new = await self._orphans.keep(facts, left, why=why)
            await self._orphans.report(facts, new, why=why)

    async def _keys(self, facts: Facts) -> KeptKeys:
        grant, source = facts.grant, facts.source
        assert grant is not None
        assert source is not None
        return await self._vendors[source.provider].keys(
            grant, source=source, evidence=await self._evidence(facts, grant)
        )

    async def _evidence(self, facts: Facts, grant: ApiKeyGrant) -> Evidence:
        """What proves whose keys are, besides the cloud's tags.

        Of a key whose id has no proof (it was written before there were proofs) the value speaks:
        a fingerprint that is right shows that the operator wrote it.
        """
        known, secret = known_ids(facts), facts.secret
        keeping = grant.keeping
        if not facts.unproved_ids or secret is None or keeping is None or keeping.marked:
            return Evidence(known)
        if secret.standing is not Standing.OURS or not secret.same_key:
            return Evidence(known)
        data = await self._objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
        values = await recovered(
            grant, data=data or {}, fingerprint=secret.fingerprint or "", key=self._key()
        )
        return Evidence(known, value=(values or {}).get(API_KEY))

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


def _ids_of(status: GrantStatus) -> frozenset[str]:
    found = (status.key_id, *(key.key_id for key in status.retiring))
    return frozenset(key_id for key_id in found if key_id)


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
