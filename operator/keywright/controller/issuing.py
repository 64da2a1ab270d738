"""A key becomes a Secret: minted, or read back from the Secret that holds it, and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from keywright.api.errors import ConflictError, Failure, SecretExistsError
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import MANAGED_BY_LABEL
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.api.times import format_time
from keywright.clouds.interfaces import GrantProvider, Intent, IssuedKey
from keywright.clouds.sessions import Clock
from keywright.cluster.objects import ResourceClient
from keywright.controller.api_errors import certainly_not_written, held_back
from keywright.controller.context import Fence
from keywright.controller.create_journal import CreateJournal
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.probing import Probing
from keywright.controller.recovering import recovered
from keywright.controller.renewals import remark_for_readers, renewal_due
from keywright.controller.snapshot import Snapshot
from keywright.controller.store import Store
from keywright.planning.contest import after_repair
from keywright.planning.decide import renewal_requested
from keywright.planning.key_ownership import owned_key_ids
from keywright.planning.requests import request_time
from keywright.planning.retirement import predecessor_id, strays_of_intent
from keywright.planning.state import GrantState, IssueReason
from keywright.planning.steps import Outcome, Written
from keywright.secrets.credential import API_KEY, Credential
from keywright.secrets.derived_value import derive_value
from keywright.secrets.extraction import changed_at_admission
from keywright.secrets.fingerprint import fingerprint, has_identity, key_identity
from keywright.secrets.manifest import manifest
from keywright.secrets.ownership import managed_secret_from
from keywright.secrets.rendering import render
from keywright.telemetry.metrics import Metrics

# Policies standardize this label, and nothing depends on it.
_OF_NO_CONSEQUENCE = frozenset({MANAGED_BY_LABEL})
# How long grants of a source that are asked with one value take to be asked.
_ONE_REQUEST = timedelta(seconds=30)


class Issuing:
    """Mints the key of a grant and writes the Secret."""

    def __init__(
        self,
        *,
        store: Store,
        objects: ResourceClient,
        providers: Mapping[Provider, GrantProvider],
        snapshot: Snapshot,
        journal: CreateJournal,
        proofs: KeyProofs,
        probing: Probing,
        fingerprint_key: Callable[[], bytes],
        fence: Fence,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._store = store
        self._objects = objects
        self._providers = providers
        self._snapshot = snapshot
        self._journal = journal
        self._proofs = proofs
        self._probing = probing
        self._key = fingerprint_key
        self._fence = fence
        self._metrics = metrics

    async def mint(
        self, state: GrantState, grant: ApiKeyGrant, source: CredentialSource, *, cause: IssueReason
    ) -> Outcome:
        """A new key, in the Secret once it has passed its probe.

        Raises Failure, LayoutError, or the API server's refusal.
        """
        self._fence.check()
        record = self._store.grants.get(grant.uid)
        stale = record is not None and record.source_key_changed
        if record is not None:
            # What changes from here on makes the new key stale as well.
            record.source_key_changed = False
        held = self._probing.held(grant, source=source, imported=state.imported)
        issued_key = held.issued_key if held is not None else None
        try:
            if issued_key is None:
                intent = await self._intent(state, grant, source, cause=cause)
                issued_key = await self._metrics.timed_mint(
                    grant.kind.value,
                    cause.value,
                    lambda: self._providers[source.provider].mint(
                        grant,
                        source=source,
                        intent=intent,
                        not_before=self._asked_at(state, grant),
                    ),
                )
            waits = await self._probing.probe_key(
                grant, source=source, imported=state.imported, issued_key=issued_key, cause=cause
            )
            if waits is not None:
                return waits
            revision = _revision(state, issued_key)
            return await self._write(state, grant, source, issued_key, revision=revision, new=True)
        except BaseException as error:
            key_id = issued_key.credential.key_id if issued_key is not None else None
            lost = grant.managed is not None and not grant.managed.marked
            if lost and key_id is not None and certainly_not_written(error):
                undone = await self._journal.undo(state, key_id)
                if isinstance(error, Failure):
                    error.no_side_effect = undone
            record = self._store.grants.get(grant.uid)
            if record is not None:
                record.source_key_changed = record.source_key_changed or stale
            raise

    def _asked_at(self, state: GrantState, grant: ApiKeyGrant) -> datetime | None:
        """When a renewal was requested that is not answered yet; None where there is no request.

        Requests of one value that come within half a minute are one: a session answers them all.
        """
        requested, source = grant.renewal_request, self._store.sources.get(grant.source_key)
        if requested is None or source is None or not renewal_requested(grant, state):
            return None
        now, stated = self._clock(), request_time(requested)
        known = source.request
        if known is None or known[0] != requested or now - known[1] > _ONE_REQUEST:
            known = source.request = (requested, now)
        return known[1] if stated is None or stated > now else max(known[1], stated)

    async def _intent(
        self, state: GrantState, grant: ApiKeyGrant, source: CredentialSource, *, cause: IssueReason
    ) -> Intent | None:
        """The intent that stands in the status; None for a key that is free to be made again."""
        pending = state.status.pending
        if grant.managed is None or pending is None or pending.started_at is None:
            return None
        # The number tells intents of one second apart.
        name = f"{format_time(pending.started_at)}.{_known_revision(state) + 1}"
        known_as = state.status.fingerprint or (
            state.secret.fingerprint if state.secret is not None else None
        )
        lost = cause in {
            IssueReason.MISSING,
            IssueReason.DRIFT,
            IssueReason.LOST,
        } and has_identity(known_as, key_identity(grant, source=source, imported=state.imported))
        again = await self._value_again(state, grant) if cause is IssueReason.LOST else None
        return Intent(
            name=name,
            value=again or derive_value(self._key(), uid=grant.uid, intent=name),
            # A value of before may be that of a key which is there.
            fresh=state.intent_written_by_this_process and again is None,
            in_use=_in_use(state),
            keep=_still_there(state) if lost else None,
        )

    async def _value_again(self, state: GrantState, grant: ApiKeyGrant) -> Sensitive | None:
        """The value of a key that was deleted while it was in use: its readers notice nothing.

        That of an old copy of the Secret was replaced or revoked, and does not come back.
        """
        secret = state.secret
        if secret is None or not secret.lost or secret.key_id != state.status.key_id:
            return None
        data = await self._objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
        values = await recovered(
            grant, data=data or {}, fingerprint=secret.fingerprint or "", key=self._key()
        )
        return (values or {}).get(API_KEY)

    async def rewrite(
        self, state: GrantState, grant: ApiKeyGrant, source: CredentialSource, *, cause: IssueReason
    ) -> Outcome:
        """The same key in the layout of today; a key that cannot be read back is minted anew."""
        secret = state.secret
        assert secret is not None
        assert secret.issued_at is not None
        if cause is IssueReason.SPEC:
            await self._journal.prepare(state)
        data = await self._objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
        values = await recovered(
            grant, data=data or {}, fingerprint=secret.fingerprint or "", key=self._key()
        )
        if values is None and grant.managed is not None:
            self._journal.cannot_be_read(grant.uid)
            raise ConflictError
        if values is None:
            return await self.mint(state, grant, source, cause=cause)
        found = self._store.sources.get(grant.source_key)
        credential = Credential(
            values=values,
            region=grant.region(source),
            account_id=found.status.account_id if found else None,
            key_id=secret.key_id or state.status.key_id,
            issued_at=secret.issued_at,
            expires_at=secret.expires_at,
            provider=source.provider,
        )
        written = await self._write(
            state, grant, source, IssuedKey(credential, secret.remark), revision=secret.revision
        )
        return replace(written, renewed=False)

    async def _write(
        self,
        state: GrantState,
        grant: ApiKeyGrant,
        source: CredentialSource,
        issued_key: IssuedKey,
        *,
        revision: int,
        new: bool = False,
    ) -> Written:
        credential = issued_key.credential
        data = render(grant, credential=credential)
        body = manifest(
            grant,
            data=data,
            issued_at=credential.issued_at,
            expires_at=credential.expires_at,
            renew_at=renewal_due(grant, credential),
            revision=revision,
            kept_as=(
                self._proofs.kept(credential.key_id, state, new=new)
                if grant.managed is not None
                else None
            ),
            replaces=self._proofs.kept(predecessor_id(state, key_id=credential.key_id), state),
            identity=self._proofs.identity_record(state),
            remark=issued_key.remark,
            fingerprint=fingerprint(
                key_identity=key_identity(grant, source=source, imported=state.imported),
                data=data,
                values=credential.values,
                key=self._key(),
                namespace=grant.namespace,
                before=(
                    state.secret.fingerprint if state.secret is not None else None,
                    state.status.fingerprint,
                ),
            ),
        )
        self._fence.check()
        must_not_exist = state.secret is None
        try:
            applied = await self._objects.apply_secret(body, must_not_exist=must_not_exist)
        except SecretExistsError:
            name = (grant.namespace, grant.secret_name)
            if name in self._store.secrets:
                raise held_back(grant) from None
            # Not one that the watch shows: look at it, and decide again.
            self._snapshot.mark_unwatched_secret(name)
            raise ConflictError from None
        secret = managed_secret_from(applied)
        self._store.put_secret(secret)
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.last_written_secret_version = secret.resource_version
            record.contest = after_repair(record.contest, state, now=self._clock())
        self._journal.is_written(grant.uid, credential.key_id if new and grant.managed else None)
        return Written(
            self._snapshot.secret_state(grant, secret, source=source, imported=state.imported),
            credential.key_id,
            # Of many keys it stands in the Secret, and is told from there.
            remark="" if grant.is_bulk_import else remark_for_readers(grant, issued_key),
            changed_at_admission=changed_at_admission(
                body["metadata"], applied, ignored=_OF_NO_CONSEQUENCE
            ),
        )


def _still_there(state: GrantState) -> str | None:
    """The key that the Secret lost, unless the cloud has lost it; else one that nobody was given.

    Such a key is left where an older state of the cluster was restored.
    """
    status, pending = state.status, state.status.pending
    baseline = pending.baseline if pending is not None else ()
    known = owned_key_ids(state) - strays_of_intent(state)
    unknown = [key_id for key_id in baseline if key_id and key_id not in known]
    told = status.key_id if status.key_id not in state.absent_ids else None
    if told is not None and (told in baseline or not unknown):
        return told
    return unknown[-1] if unknown else None


def _known_revision(state: GrantState) -> int:
    """The number of the key that was written last, as far as anybody knows."""
    return max(state.status.revision, state.secret.revision if state.secret else 0)


def _revision(state: GrantState, issued_key: IssuedKey) -> int:
    """The next number; the same one for a key that was given to the grant before."""
    known = _known_revision(state)
    kept = state.grant is not None and state.grant.managed is not None
    # Static credentials that are handed on have no end, and are the same until their owner acts.
    kept = kept or issued_key.credential.expires_at is None
    same = kept and issued_key.credential.key_id == _in_use(state)
    return known if same and known else known + 1


def _in_use(state: GrantState) -> str | None:
    """The id of the key that readers have, where it has one that lasts."""
    secret = state.secret
    return secret.key_id if secret is not None and secret.key_id else state.status.key_id
