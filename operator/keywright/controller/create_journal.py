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

from keywright.api.errors import (
    ApiError,
    ConflictError,
    Failure,
    SecretExistsUnwatchedError,
    StaleGrantError,
)
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import FINALIZER, GRANT_PLURAL
from keywright.api.source import Provider
from keywright.api.status import GrantStatus
from keywright.clouds.classified import unexpected
from keywright.clouds.interfaces import Evidence, GrantProvider, ManagedKeys
from keywright.cluster.objects import ResourceClient
from keywright.controller.api_errors import held_back
from keywright.controller.context import Fence, ObjectListener
from keywright.controller.key_checks import KeyChecks
from keywright.controller.key_proofs import KeyProofs, Others
from keywright.controller.orphans import Orphans
from keywright.controller.recovering import recovered
from keywright.controller.store import Store
from keywright.planning.key_ownership import checked_by_listing, owned_key_ids
from keywright.planning.state import CloudKey, GrantState, ObjectRef
from keywright.planning.steps import (
    AddFinalizer,
    ClearPending,
    Deactivate,
    JournalStep,
    ListKeys,
    Outcome,
    RecordIntent,
    Remove,
    RemoveFinalizer,
    Revoke,
    Written,
)
from keywright.secrets.credential import API_KEY
from keywright.secrets.ownership import Ownership, managed_secret_from

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Found:
    """What the step before has found out about a grant."""

    listed: tuple[CloudKey, ...] | None = None
    unprepared: bool = False
    intent: datetime | None = None


class CreateJournal:
    """Carries out the steps of the journal, for all grants."""

    def __init__(
        self,
        *,
        store: Store,
        listener: ObjectListener,
        objects: ResourceClient,
        providers: Mapping[Provider, GrantProvider],
        proofs: KeyProofs,
        checks: KeyChecks,
        fingerprint_key: Callable[[], bytes],
        fence: Fence,
        orphans: Orphans,
    ) -> None:
        self._store = store
        self._listener = listener
        self._objects = objects
        self._providers = providers
        self._proofs = proofs
        self._checks = checks
        self._key = fingerprint_key
        self._fence = fence
        self._orphans = orphans
        self._found: dict[str, _Found] = {}
        self._unreadable: set[str] = set()

    def add_to(
        self,
        state: GrantState,
        *,
        skip_backoff: bool,
        finalizers: tuple[str, ...],
        deleting: bool,
        deleting_since: datetime | None = None,
    ) -> GrantState:
        """The facts with those of the journal; a listing and an intent are handed out once."""
        uid = state.subject.uid
        found, pending = self._found.pop(uid, _Found()), state.status.pending
        grant, others = state.grant, Others()
        managed = grant.managed if grant is not None else None
        if grant is not None and managed is not None and found.listed and not managed.tagged:
            others = self._proofs.of_others(grant)
        found_out = replace(
            state,
            skip_backoff=skip_backoff,
            deleting=deleting,
            deleting_since=deleting_since,
            has_finalizer=FINALIZER in finalizers,
            listed=found.listed,
            unprepared=found.unprepared,
            others_ids=others.ids,
            contested=others.creating,
            intent_written_by_this_process=found.intent is not None
            and pending is not None
            and pending.started_at == found.intent,
            unreadable=uid in self._unreadable,
        )
        return self._checks.add_to(checked_by_listing(found_out))

    async def prepare(self, state: GrantState) -> None:
        """Bring the holder of the grant's keys to where it should be, where keys are held."""
        if state.grant is not None and state.grant.managed is not None:
            await (await self._keys(state)).prepare(owned_key_ids(state))

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

    async def verify(self, state: GrantState) -> None:
        """Look up the key in use; a lookup that fails is repeated, and reported by the log only."""
        secret = state.secret
        assert secret is not None
        assert secret.key_id is not None
        found: bool | None = None
        try:
            keys = await self._keys(state)
            found = await keys.shows(secret.key_id, owned_key_ids(state), secret.entry_count)
        except Failure as failure:
            _LOG.warning(
                "looking up a key failed, retrying later: %s",
                failure.message_with_remedy(),
                extra={"grant": f"{state.subject.namespace}/{state.subject.name}"},
            )
        self._checks.looked_up(state, found=found)

    async def undo(self, state: GrantState, key_id: str) -> bool:
        """Remove a key that could not be handed over; what fails is cleared up by the journal."""
        try:
            left = await (await self._keys(state)).remove((key_id,))
        except Exception as error:
            why = (
                "the source was edited"
                if isinstance(error, ConflictError)
                else unexpected(error, what="removing a key").message_with_remedy()
            )
            _LOG.warning("deleting an unused key failed, retrying later: %s", why)
            return False
        return not left

    async def carry_out(self, step: JournalStep, state: GrantState) -> Outcome | None:
        """What came of it; None where nothing is to be recorded. Raises Failure."""
        match step:
            case AddFinalizer():
                await self._set_finalizer(state.subject, wanted=True)
            case ListKeys(prepare):
                await self._look(state, prepare=prepare)
            case RecordIntent() | ClearPending():
                return step
            case Deactivate(key_ids):
                self._fence.check()
                await (await self._keys(state)).deactivate(key_ids)
            case Remove(key_ids, lost=lost):
                if lost:
                    await self._check_that_nobody_has(key_ids, state)
                self._fence.check()
                if key_ids:
                    await self._remove(state, key_ids)
                return step
            case Revoke() | RemoveFinalizer():
                await self._end(step, state)
        return None

    async def _end(self, step: Revoke | RemoveFinalizer, state: GrantState) -> None:
        """Let the grant go, with its keys or with a report of what is left."""
        if isinstance(step, Revoke):
            self._fence.check()
            await self._remove(state, step.key_ids, and_holder=True)
        new: frozenset[str] = frozenset()
        if isinstance(step, RemoveFinalizer):
            # Listed first: once the grant is gone, nothing else knows of its keys.
            new = await self._orphans.keep(state, step.orphaned, why=step.why)
        # Reported once: a grant that has changed meanwhile is looked at again first.
        await self._set_finalizer(state.subject, wanted=False)
        if isinstance(step, RemoveFinalizer):
            await self._orphans.report(state, new, why=step.why)
        if isinstance(step, Revoke) or step.why:
            await self._orphans.report_unproved(state, state.unproved_ids)

    async def report_unproved(
        self, state: GrantState, status: GrantStatus, outcome: Outcome | None
    ) -> None:
        """Name the keys that the status no longer mentions and that nothing proved to be ours."""
        before, after = _ids_of(state.status), _ids_of(status)
        if isinstance(outcome, Written):
            # With its Secret, which named them as well.
            await self._orphans.report_unproved(state, state.unproved_ids - after)
        elif isinstance(outcome, Remove):
            await self._orphans.report_unproved(state, state.unproved_ids & before - after)

    async def _look(self, state: GrantState, *, prepare: bool) -> None:
        grant = state.grant
        assert grant is not None
        if prepare and state.secret is None:
            await self._check_the_name(state)
        keys = await self._keys(state)
        # Listing sets tags that are missing.
        self._fence.check()
        if prepare:
            await keys.prepare(owned_key_ids(state))
        listed = await keys.list_keys(owned_key_ids(state) | state.unproved_ids)
        self._found[grant.uid] = _Found(listed=listed, unprepared=not prepare)

    async def _check_the_name(self, state: GrantState) -> None:
        """A key that cannot be written is not made: see whose the Secret's name is first."""
        grant = state.grant
        assert grant is not None
        name = (grant.namespace, grant.secret_name)
        metadata = await self._objects.secret_metadata(namespace=name[0], name=name[1])
        if metadata is None:
            return
        if "deletionTimestamp" in metadata:
            raise held_back(grant)
        raise SecretExistsUnwatchedError(name)

    async def _check_that_nobody_has(self, key_ids: tuple[str, ...], state: GrantState) -> None:
        """The watch may be behind a Secret that was written without an answer: ask for it."""
        grant = state.grant
        assert grant is not None
        metadata = await self._objects.secret_metadata(
            namespace=grant.namespace, name=grant.secret_name
        )
        if metadata is None:
            return
        secret = managed_secret_from(metadata)
        if secret.key_id in key_ids and secret.granted_by is not None:
            self._store.put_secret(secret)
            raise ConflictError

    async def _remove(
        self, state: GrantState, key_ids: tuple[str, ...], *, and_holder: bool = False
    ) -> None:
        keys = await self._keys(state)
        left = await keys.remove(key_ids, and_holder=and_holder)
        if left:
            why = "the source's role is of another account, or the keys' holder is not ours"
            new = await self._orphans.keep(state, left, why=why)
            await self._orphans.report(state, new, why=why)

    async def _keys(self, state: GrantState) -> ManagedKeys:
        grant, source = state.grant, state.source
        assert grant is not None
        assert source is not None
        return await self._providers[source.provider].keys(
            grant, source=source, evidence=await self._evidence(state, grant)
        )

    async def _evidence(self, state: GrantState, grant: ApiKeyGrant) -> Evidence:
        """What proves whose keys are, besides the cloud's tags.

        Of a key whose id has no proof (it was written before there were proofs) the value speaks:
        a fingerprint that is right shows that the operator wrote it.
        """
        known, secret = owned_key_ids(state), state.secret
        managed = grant.managed
        if not state.unproved_ids or secret is None or managed is None or managed.marked:
            return Evidence(known)
        if secret.ownership is not Ownership.OWNED or not secret.matches_spec:
            return Evidence(known)
        data = await self._objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
        values = await recovered(
            grant, data=data or {}, fingerprint=secret.fingerprint or "", key=self._key()
        )
        return Evidence(known, value=(values or {}).get(API_KEY))

    async def _set_finalizer(self, subject: ObjectRef, *, wanted: bool) -> None:
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
            raise StaleGrantError from error
        self._store.put_own(body)


def _ids_of(status: GrantStatus) -> frozenset[str]:
    found = (status.key_id, *(key.key_id for key in status.retiring))
    return frozenset(key_id for key_id in found if key_id)
