"""The one reconcile of grants: gather, decide, carry out, record; the same for every kind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.grant_checks import pair_problems
from keywright.api.names import API_VERSION, GRANT_KIND, GRANT_PLURAL
from keywright.api.parsing import parse_grant
from keywright.api.source import CredentialSource, Provider
from keywright.api.status import GrantStatus
from keywright.clouds.sessions import Clock
from keywright.clouds.ways import Minted, Vendor
from keywright.cluster.errors import ApiError, ApiUnreachableError
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import Objects, SecretExistsError
from keywright.controller.changed import ChangedMeanwhileError, Fence
from keywright.controller.cluster_refusals import (
    held_back,
    not_written,
    refusal_of_cluster,
)
from keywright.controller.journal import MintJournal, SecretStandsError, StaleObjectError
from keywright.controller.renewals import remark_for_readers, renewal_due
from keywright.controller.store import GrantRecord, Name, Store
from keywright.planning.conditions import SECRET_CONFLICT
from keywright.planning.decide import decide, next_look
from keywright.planning.facts import (
    Cause,
    Facts,
    Fail,
    JournalStep,
    Keep,
    Mint,
    Refuse,
    Rewrite,
    SecretView,
    Standing,
    Step,
    Subject,
    Wait,
)
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.journal import replaced_by
from keywright.planning.notices import notice
from keywright.planning.record import (
    Failed,
    Intended,
    Kept,
    Outcome,
    Refused,
    Written,
    record,
)
from keywright.planning.sources import source_failure
from keywright.planning.unimplemented import unimplemented_in_grant
from keywright.secrets.credential import Credential
from keywright.secrets.drift import intact
from keywright.secrets.fingerprint import fingerprint, mint_facts, same_mint_facts
from keywright.secrets.layout import check, data_keys, render
from keywright.secrets.manifest import manifest
from keywright.secrets.ownership import (
    Ownership,
    SecretFacts,
    as_recorded,
    facts_from_metadata,
    judge,
)
from keywright.secrets.recovery import recover
from keywright.secrets.variables import LayoutError
from keywright.telemetry.metrics import Metrics

_LOG = logging.getLogger(__name__)
_STANDINGS = {
    Ownership.OURS: Standing.OURS,
    Ownership.UNMARKED: Standing.NOBODYS,
    Ownership.OTHER_GRANT: Standing.ANOTHER_GRANTS,
}


class GrantReconciler:
    """Brings one grant, its Secret and its status to where they should be."""

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        vendors: Mapping[Provider, Vendor],
        journal: MintJournal,
        fingerprint_key: Callable[[], bytes],
        fence: Fence,
        events: EventWriter,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._objects = objects
        self._vendors = vendors
        self._journal = journal
        self._key = fingerprint_key
        self._fence = fence
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._unwatched: set[Name] = set()

    async def reconcile(self, uid: str) -> datetime | None:
        """When the grant must be looked at again; None leaves it to the next event."""
        known = self._store.grants.get(uid)
        if known is None:
            return None
        facts = await self._gather(known)
        if facts.deleting and not facts.finalized:
            return None
        step = decide(facts, now=self._clock())
        try:
            outcome = await self._carry_out(step, facts)
        except SecretStandsError as error:
            self._unwatched.add(error.name)
            raise
        except StaleObjectError as error:
            await self._refresh(error.subject)
            raise
        if outcome is None:
            return next_look(facts, step, now=self._clock())
        return await self._record(facts, step, outcome)

    # ---- gather

    async def _gather(self, known: GrantRecord) -> Facts:
        # What comes from here on is news, and makes it impatient again.
        impatient, known.impatient = known.impatient, False
        body = known.parsed()
        return self._journal.add_to(
            replace(await self._known(known, body), impatient=impatient),
            finalizers=tuple(body["metadata"].get("finalizers", ())),
            deleting=known.deleting,
        )

    async def _known(self, known: GrantRecord, body: Mapping[str, Any]) -> Facts:
        metadata = body["metadata"]
        subject = Subject(
            namespace=known.namespace,
            name=known.name,
            uid=known.uid,
            generation=metadata["generation"],
            resource_version=metadata["resourceVersion"],
        )
        status = GrantStatus.parse(body["status"])
        grant = parse_grant(body)
        if isinstance(grant, list):
            return Facts(subject=subject, status=status, problems=tuple(grant))
        unimplemented = unimplemented_in_grant(grant)
        problems = () if unimplemented else tuple(check(grant))
        source, source_problem = self._source(grant)
        if source is not None and not problems:
            problems = tuple(pair_problems(grant, source=source))
        secret = await self._secret(grant, conflict=status.condition(SECRET_CONFLICT) is not None)
        view = (
            None
            if secret is None
            else self._view(grant, as_recorded(secret, status=status), source=source)
        )
        ours = view is not None and view.standing is Standing.OURS
        return Facts(
            subject=subject,
            status=status,
            grant=grant,
            problems=problems,
            unimplemented=unimplemented,
            source=source,
            source_problem=source_problem,
            secret=view,
            rival="" if ours else self._store.rival(known),
        )

    def _source(self, grant: ApiKeyGrant) -> tuple[CredentialSource | None, Failure | None]:
        found = self._store.sources.get(grant.source_key)
        failure = source_failure(
            grant.source_key,
            value=None if found is None else found.value,
            deleting=found is not None and found.deleting,
        )
        if found is None or isinstance(found.value, list):
            return None, failure
        return found.value, failure

    async def _secret(self, grant: ApiKeyGrant, *, conflict: bool) -> SecretFacts | None:
        """The Secret as watched; one that the watch does not show is read where there is a sign.

        The watch shows marked Secrets only. That another one stands at the name is found out by
        the first write, which refuses to touch it, and remembered by the condition.
        """
        name = (grant.namespace, grant.secret_name)
        known = self._store.secrets.get(name)
        if known is not None:
            return None if known.deleting else known
        if not conflict and name not in self._unwatched:
            return None
        self._unwatched.discard(name)
        metadata = await self._objects.secret_metadata(
            namespace=grant.namespace, name=grant.secret_name
        )
        return None if metadata is None else facts_from_metadata(metadata)

    def _view(
        self, grant: ApiKeyGrant, facts: SecretFacts, *, source: CredentialSource | None
    ) -> SecretView:
        standing = _STANDINGS[judge(grant, facts=facts)]
        mark = facts.granted_by
        if standing is not Standing.OURS:
            return SecretView(standing, owner=f"{mark.namespace}/{mark.name}" if mark else "")
        return SecretView(
            standing,
            intact=intact(facts, data_keys(grant), grant=grant),
            same_key=source is not None
            and (grant.keeping is not None or not self._is_stale(grant))
            and same_mint_facts(facts.fingerprint, facts=mint_facts(grant, source=source)),
            issued_at=facts.issued_at,
            expires_at=facts.expires_at,
            renew_at=facts.renew_at,
            revision=facts.revision,
            fingerprint=facts.fingerprint,
            key_id=facts.key_id,
            replaces=facts.replaces,
        )

    def _is_stale(self, grant: ApiKeyGrant) -> bool:
        record = self._store.grants.get(grant.uid)
        return record is not None and record.stale

    # ---- carry out

    async def _carry_out(self, step: Step, facts: Facts) -> Outcome | None:
        """What came of it; None where nothing is to be told."""
        match step:
            case Wait():
                return None
            case Keep():
                return Kept()
            case Refuse(failure):
                return Refused(failure)
            case Fail(failure):
                return Failed(failure)
            case _:
                return await self._tried(step, facts)

    async def _tried(self, step: Mint | Rewrite | JournalStep, facts: Facts) -> Outcome | None:
        try:
            if not isinstance(step, Mint | Rewrite):
                return await self._journal.carry_out(step, facts)
            assert facts.grant is not None
            assert facts.source is not None
            work = self._mint if isinstance(step, Mint) else self._rewrite
            return await work(facts, facts.grant, facts.source, cause=step.cause)
        except LayoutError as error:
            return Refused(
                Failure(
                    error.problem.message,
                    kind=FailureClass.CONFIGURATION,
                    reason="InvalidSpec",
                    field=error.problem.field,
                )
            )
        except Failure as failure:
            return Failed(failure)
        except (ApiError, ApiUnreachableError) as error:
            return Failed(refusal_of_cluster(error, facts))

    async def _mint(
        self, facts: Facts, grant: ApiKeyGrant, source: CredentialSource, *, cause: Cause
    ) -> Outcome:
        self._fence.check()
        record = self._store.grants.get(grant.uid)
        stale = record is not None and record.stale
        if record is not None:
            # What changes from here on makes the new key stale as well.
            record.stale = False
        minted: Minted | None = None
        try:
            minted = await self._metrics.timed_mint(
                grant.kind.value,
                cause.value,
                lambda: self._vendors[source.provider].mint(grant, source=source),
            )
            revision = max(facts.status.revision, facts.secret.revision if facts.secret else 0) + 1
            return await self._write(facts, grant, source, minted, revision=revision)
        except BaseException as error:
            key_id = minted.credential.key_id if minted is not None else None
            if grant.keeping is not None and key_id is not None and not_written(error):
                await self._journal.undo(facts, key_id)
            record = self._store.grants.get(grant.uid)
            if record is not None:
                record.stale = record.stale or stale
            raise

    async def _rewrite(
        self, facts: Facts, grant: ApiKeyGrant, source: CredentialSource, *, cause: Cause
    ) -> Outcome:
        """The same key in the layout of today; a key that cannot be read back is minted anew."""
        secret = facts.secret
        assert secret is not None
        assert secret.issued_at is not None
        if cause is Cause.SPEC:
            await self._journal.prepare(facts)
        data = await self._objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
        values = recover(
            grant.kind, data=data or {}, fingerprint=secret.fingerprint or "", key=self._key()
        )
        if values is None and grant.keeping is not None:
            self._journal.cannot_be_read(grant.uid)
            raise ChangedMeanwhileError
        if values is None:
            return await self._mint(facts, grant, source, cause=cause)
        found = self._store.sources.get(grant.source_key)
        credential = Credential(
            values=values,
            region=grant.region(source),
            account_id=found.status.account_id if found else None,
            key_id=secret.key_id or facts.status.key_id,
            issued_at=secret.issued_at,
            expires_at=secret.expires_at,
        )
        written = await self._write(
            facts, grant, source, Minted(credential), revision=secret.revision
        )
        return replace(written, renewed=False)

    async def _write(
        self,
        facts: Facts,
        grant: ApiKeyGrant,
        source: CredentialSource,
        minted: Minted,
        *,
        revision: int,
    ) -> Written:
        credential = minted.credential
        data = render(grant, credential=credential)
        body = manifest(
            grant,
            data=data,
            issued_at=credential.issued_at,
            expires_at=credential.expires_at,
            renew_at=renewal_due(grant, credential),
            revision=revision,
            kept_as=credential.key_id if grant.keeping is not None else None,
            replaces=replaced_by(facts, key_id=credential.key_id),
            fingerprint=fingerprint(
                mint_facts=mint_facts(grant, source=source),
                data=data,
                values=credential.values,
                key=self._key(),
            ),
        )
        self._fence.check()
        only_new = facts.secret is None
        try:
            applied = await self._objects.apply_secret(body, only_new=only_new)
        except SecretExistsError:
            name = (grant.namespace, grant.secret_name)
            if name in self._store.secrets:
                raise held_back(grant) from None
            # Not one that the watch shows: look at it, and decide again.
            self._unwatched.add(name)
            raise ChangedMeanwhileError from None
        secret = facts_from_metadata(applied)
        self._store.put_secret(secret)
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.own_secret = secret.resource_version
        self._journal.is_written(grant.uid)
        return Written(
            self._view(grant, secret, source=source),
            credential.key_id,
            remark=remark_for_readers(grant, minted),
        )

    # ---- record

    async def _record(self, facts: Facts, step: Step, outcome: Outcome) -> datetime | None:
        now = self._clock()
        status = record(facts, outcome, now=now)
        if status != facts.status:
            await self._patch(facts, status)
            await self._tell(facts, status)
        after = replace(facts, status=status, listed=None, intent_is_ours=False)
        if isinstance(outcome, Intended):
            pending = status.pending
            at = pending.started_at if pending is not None else None
            self._journal.intent_is_written(facts.subject.uid, at=at)
        if isinstance(outcome, Written):
            after = replace(after, secret=outcome.secret, impatient=False)
            return next_look(after, Keep(), now=now)
        if isinstance(outcome, Failed):
            # The back-off decides when: a look now would only find it.
            after = replace(after, impatient=False)
            step = decide(after, now=now)
        return next_look(after, step, now=now)

    async def _patch(self, facts: Facts, status: GrantStatus) -> None:
        subject, body = facts.subject, status.to_body()
        self._fence.check()
        try:
            version = await self._objects.patch_status(
                GRANT_PLURAL,
                namespace=subject.namespace,
                name=subject.name,
                resource_version=subject.resource_version,
                status=body,
            )
        except ApiError as error:
            if error.is_missing:
                self._store.drop_grant(subject.uid)
                return
            if not error.is_conflict:
                raise
            await self._refresh(subject)
            raise ChangedMeanwhileError from error
        self._store.put_status(subject.uid, version=version, status=body)

    async def _refresh(self, subject: Subject) -> None:
        found = await self._objects.object(
            GRANT_PLURAL, namespace=subject.namespace, name=subject.name
        )
        if found is None or found["metadata"]["uid"] != subject.uid:
            self._store.drop_grant(subject.uid)
        else:
            self._store.put_grant(found)

    async def _tell(self, facts: Facts, status: GrantStatus) -> None:
        told = notice(facts.status, status)
        grant = f"{facts.subject.namespace}/{facts.subject.name}"
        if told is None:
            _LOG.debug("status written", extra={"grant": grant, "revision": status.revision})
            return
        _LOG.log(
            logging.WARNING if told.warning else logging.INFO,
            "%s: %s",
            told.reason,
            told.note,
            extra={"grant": grant},
        )
        await self._events.post(
            _reference(facts.subject), warning=told.warning, reason=told.reason, note=told.note
        )


def _reference(subject: Subject) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": GRANT_KIND,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
    }
