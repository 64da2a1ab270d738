"""A key becomes a Secret: minted, or read back from the Secret that holds it, and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from keywright.api.grant import ApiKeyGrant
from keywright.api.names import MANAGED_BY_LABEL
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.api.times import format_time
from keywright.clouds.sessions import Clock
from keywright.clouds.ways import GrantVendor, Intent, Minted
from keywright.cluster.objects import Objects, SecretExistsError
from keywright.controller.changed import ChangedMeanwhileError, Fence
from keywright.controller.cluster_refusals import held_back, not_written
from keywright.controller.gathering import Gathering
from keywright.controller.journal import MintJournal
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.proving import Proving
from keywright.controller.recovering import recovered
from keywright.controller.renewals import remark_for_readers, renewal_due
from keywright.controller.store import Store
from keywright.planning.cloud_keys import known_ids
from keywright.planning.contest import after_repair
from keywright.planning.decide import renewal_requested
from keywright.planning.facts import Cause, Facts
from keywright.planning.failures import Failure
from keywright.planning.outcomes import Outcome, Written
from keywright.planning.requests import request_time
from keywright.planning.retirement import replaced_by, strays_of_intent
from keywright.secrets.credential import API_KEY, Credential
from keywright.secrets.extraction import changed_at_admission
from keywright.secrets.fingerprint import fingerprint, mint_facts, same_mint_facts
from keywright.secrets.generated import generated_value
from keywright.secrets.layout import render
from keywright.secrets.manifest import manifest
from keywright.secrets.ownership import facts_from_metadata
from keywright.telemetry.metrics import Metrics

# Policies standardize this label, and nothing depends on it.
_OF_NO_CONSEQUENCE = frozenset({MANAGED_BY_LABEL})
# How long grants of a source that are asked with one value take to be asked.
_ONE_REQUEST = timedelta(seconds=30)


class Publishing:
    """Mints the key of a grant and writes the Secret."""

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        vendors: Mapping[Provider, GrantVendor],
        gathering: Gathering,
        journal: MintJournal,
        proofs: KeyProofs,
        proving: Proving,
        fingerprint_key: Callable[[], bytes],
        fence: Fence,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._store = store
        self._objects = objects
        self._vendors = vendors
        self._gathering = gathering
        self._journal = journal
        self._proofs = proofs
        self._proving = proving
        self._key = fingerprint_key
        self._fence = fence
        self._metrics = metrics

    async def mint(
        self, facts: Facts, grant: ApiKeyGrant, source: CredentialSource, *, cause: Cause
    ) -> Outcome:
        """A new key, in the Secret once it has passed its probe.

        Raises Failure, LayoutError, or the API server's refusal.
        """
        self._fence.check()
        record = self._store.grants.get(grant.uid)
        stale = record is not None and record.stale
        if record is not None:
            # What changes from here on makes the new key stale as well.
            record.stale = False
        held = self._proving.held(grant, source=source, imported=facts.imported)
        minted = held.minted if held is not None else None
        try:
            if minted is None:
                intent = await self._intent(facts, grant, source, cause=cause)
                minted = await self._metrics.timed_mint(
                    grant.kind.value,
                    cause.value,
                    lambda: self._vendors[source.provider].mint(
                        grant,
                        source=source,
                        intent=intent,
                        not_before=self._asked_at(facts, grant),
                    ),
                )
            waits = await self._proving.attempt(
                grant, source=source, imported=facts.imported, minted=minted, cause=cause
            )
            if waits is not None:
                return waits
            revision = _revision(facts, minted)
            return await self._write(facts, grant, source, minted, revision=revision, new=True)
        except BaseException as error:
            key_id = minted.credential.key_id if minted is not None else None
            lost = grant.keeping is not None and not grant.keeping.marked
            if lost and key_id is not None and not_written(error):
                undone = await self._journal.undo(facts, key_id)
                if isinstance(error, Failure):
                    error.nothing_done = undone
            record = self._store.grants.get(grant.uid)
            if record is not None:
                record.stale = record.stale or stale
            raise

    def _asked_at(self, facts: Facts, grant: ApiKeyGrant) -> datetime | None:
        """When a renewal was requested that is not answered yet; None where there is no request.

        Requests of one value that come within half a minute are one: a session answers them all.
        """
        asked, source = grant.renewal_request, self._store.sources.get(grant.source_key)
        if asked is None or source is None or not renewal_requested(grant, facts):
            return None
        now, stated = self._clock(), request_time(asked)
        known = source.request
        if known is None or known[0] != asked or now - known[1] > _ONE_REQUEST:
            known = source.request = (asked, now)
        return known[1] if stated is None or stated > now else max(known[1], stated)

    async def _intent(
        self, facts: Facts, grant: ApiKeyGrant, source: CredentialSource, *, cause: Cause
    ) -> Intent | None:
        """The intent that stands in the status; None for a key that is free to be made again."""
        pending = facts.status.pending
        if grant.keeping is None or pending is None or pending.started_at is None:
            return None
        # The number tells intents of one second apart.
        name = f"{format_time(pending.started_at)}.{_known_revision(facts) + 1}"
        known_as = facts.status.fingerprint or (
            facts.secret.fingerprint if facts.secret is not None else None
        )
        lost = cause in {Cause.MISSING, Cause.DRIFT, Cause.LOST} and same_mint_facts(
            known_as, facts=mint_facts(grant, source=source, imported=facts.imported)
        )
        again = await self._value_again(facts, grant) if cause is Cause.LOST else None
        return Intent(
            name=name,
            value=again or generated_value(self._key(), uid=grant.uid, intent=name),
            # A value of before may be that of a key which is there.
            fresh=facts.intent_is_ours and again is None,
            in_use=_in_use(facts),
            keep=_still_there(facts) if lost else None,
        )

    async def _value_again(self, facts: Facts, grant: ApiKeyGrant) -> Sensitive | None:
        """The value of a key that was deleted while it was in use: its readers notice nothing.

        That of an old copy of the Secret was replaced or revoked, and does not come back.
        """
        secret = facts.secret
        if secret is None or not secret.lost or secret.key_id != facts.status.key_id:
            return None
        data = await self._objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
        values = await recovered(
            grant, data=data or {}, fingerprint=secret.fingerprint or "", key=self._key()
        )
        return (values or {}).get(API_KEY)

    async def rewrite(
        self, facts: Facts, grant: ApiKeyGrant, source: CredentialSource, *, cause: Cause
    ) -> Outcome:
        """The same key in the layout of today; a key that cannot be read back is minted anew."""
        secret = facts.secret
        assert secret is not None
        assert secret.issued_at is not None
        if cause is Cause.SPEC:
            await self._journal.prepare(facts)
        data = await self._objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
        values = await recovered(
            grant, data=data or {}, fingerprint=secret.fingerprint or "", key=self._key()
        )
        if values is None and grant.keeping is not None:
            self._journal.cannot_be_read(grant.uid)
            raise ChangedMeanwhileError
        if values is None:
            return await self.mint(facts, grant, source, cause=cause)
        found = self._store.sources.get(grant.source_key)
        credential = Credential(
            values=values,
            region=grant.region(source),
            account_id=found.status.account_id if found else None,
            key_id=secret.key_id or facts.status.key_id,
            issued_at=secret.issued_at,
            expires_at=secret.expires_at,
            provider=source.provider,
        )
        written = await self._write(
            facts, grant, source, Minted(credential, secret.remark), revision=secret.revision
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
        new: bool = False,
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
            kept_as=(
                self._proofs.kept(credential.key_id, facts, new=new)
                if grant.keeping is not None
                else None
            ),
            replaces=self._proofs.kept(replaced_by(facts, key_id=credential.key_id), facts),
            identity=self._proofs.identity_record(facts),
            remark=minted.remark,
            fingerprint=fingerprint(
                mint_facts=mint_facts(grant, source=source, imported=facts.imported),
                data=data,
                values=credential.values,
                key=self._key(),
                namespace=grant.namespace,
                before=(
                    facts.secret.fingerprint if facts.secret is not None else None,
                    facts.status.fingerprint,
                ),
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
            self._gathering.look_at(name)
            raise ChangedMeanwhileError from None
        secret = facts_from_metadata(applied)
        self._store.put_secret(secret)
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.own_secret = secret.resource_version
            record.contest = after_repair(record.contest, facts, now=self._clock())
        self._journal.is_written(grant.uid, credential.key_id if new and grant.keeping else None)
        return Written(
            self._gathering.view(grant, secret, source=source, imported=facts.imported),
            credential.key_id,
            # Of many keys it stands in the Secret, and is told from there.
            remark="" if grant.is_many else remark_for_readers(grant, minted),
            changed_at_admission=changed_at_admission(
                body["metadata"], applied, ignored=_OF_NO_CONSEQUENCE
            ),
        )


def _still_there(facts: Facts) -> str | None:
    """The key that the Secret lost, unless the cloud has lost it; else one that nobody was given.

    Such a key is left where an older state of the cluster was restored.
    """
    status, pending = facts.status, facts.status.pending
    baseline = pending.baseline if pending is not None else ()
    known = known_ids(facts) - strays_of_intent(facts)
    unknown = [key_id for key_id in baseline if key_id and key_id not in known]
    told = status.key_id if status.key_id not in facts.absent_ids else None
    if told is not None and (told in baseline or not unknown):
        return told
    return unknown[-1] if unknown else None


def _known_revision(facts: Facts) -> int:
    """The number of the key that was written last, as far as anybody knows."""
    return max(facts.status.revision, facts.secret.revision if facts.secret else 0)


def _revision(facts: Facts, minted: Minted) -> int:
    """The next number; the same one for a key that was given to the grant before."""
    known = _known_revision(facts)
    kept = facts.grant is not None and facts.grant.keeping is not None
    # Static credentials that are handed on have no end, and are the same until their owner acts.
    kept = kept or minted.credential.expires_at is None
    same = kept and minted.credential.key_id == _in_use(facts)
    return known if same and known else known + 1


def _in_use(facts: Facts) -> str | None:
    """The id of the key that readers have, where it has one that lasts."""
    secret = facts.secret
    return secret.key_id if secret is not None and secret.key_id else facts.status.key_id
