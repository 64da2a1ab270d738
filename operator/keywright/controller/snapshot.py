"""What is known of a grant, its source and its Secret at one moment: the facts of a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.grant_checks import validate_with_source
from keywright.api.parsing import parse_grant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.api.status import GrantStatus
from keywright.api.times import parse_time
from keywright.clouds.sessions import Clock
from keywright.cluster.objects import ResourceClient
from keywright.cluster.source_secrets import SecretCache
from keywright.controller.create_journal import CreateJournal
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.probing import Probing
from keywright.controller.records import GrantRecord, Name
from keywright.controller.renewals import renewal_deadline_of
from keywright.controller.sizes import spec_problem
from keywright.controller.source_access import SourceAccess
from keywright.controller.store import Store
from keywright.planning.conditions import READY, SECRET_CONFLICT
from keywright.planning.contest import is_over, resumed
from keywright.planning.expiry import EXPIRED
from keywright.planning.requests import request_time
from keywright.planning.state import Contest, GrantState, ObjectRef, SecretState
from keywright.secrets.drift import altered_fields, managers_of
from keywright.secrets.fingerprint import data_hash, has_identity, imported_digest, key_identity
from keywright.secrets.ownership import (
    ManagedSecret,
    Ownership,
    classify,
    managed_secret_from,
    trust_status_over_annotations,
)
from keywright.secrets.rendering import check_region, data_keys, validate


@dataclass(frozen=True, slots=True)
class _Imported:
    """Keyed digests of an imported value: salted with the namespace, and as they were before."""

    digest: str = ""
    before: str = ""


class Snapshot:
    """Puts the facts of a grant together: from what is watched, and reads where there is a sign."""

    def __init__(
        self,
        *,
        store: Store,
        objects: ResourceClient,
        values: SecretCache,
        journal: CreateJournal,
        probing: Probing,
        access: SourceAccess,
        proofs: KeyProofs,
        fingerprint_key: Callable[[], bytes],
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._store = store
        self._objects = objects
        self._values = values
        self._journal = journal
        self._key = fingerprint_key
        self._probing = probing
        self._access = access
        self._proofs = proofs
        self._unwatched: set[Name] = set()

    def mark_unwatched_secret(self, name: Name) -> None:
        """A Secret that the watch does not show stands there: it is read until it is gone."""
        self._unwatched.add(name)

    async def build_state(self, known: GrantRecord) -> GrantState:
        """All that the next decision about the grant needs."""
        # What comes from here on is news, and makes it impatient again.
        skip_backoff, known.skip_backoff = known.skip_backoff, False
        body = known.parsed()
        return self._journal.add_to(
            await self._known(known, body),
            skip_backoff=skip_backoff,
            finalizers=tuple(body["metadata"].get("finalizers", ())),
            deleting=known.deleting,
            deleting_since=_time(body["metadata"].get("deletionTimestamp")),
        )

    async def _known(self, known: GrantRecord, body: Mapping[str, Any]) -> GrantState:
        metadata = body["metadata"]
        subject = ObjectRef(
            namespace=known.namespace,
            name=known.name,
            uid=known.uid,
            generation=metadata["generation"],
            resource_version=metadata["resourceVersion"],
        )
        status = GrantStatus.parse(body["status"])
        grant = [spec_problem(known.oversize)] if known.oversize else parse_grant(body)
        if isinstance(grant, list):
            return self._proofs.verified(
                GrantState(subject=subject, status=status, field_errors=tuple(grant)), None
            )
        source, source_problem = await self._access.find(grant)
        if source is not None:
            grant = grant.with_formats_for(source.provider)
        field_errors = tuple(validate(grant))
        if source is not None and not field_errors:
            field_errors = tuple(validate_with_source(grant, source=source))
            if source.provider is Provider.AWS:
                field_errors += tuple(check_region(grant, region=grant.region(source)))
        imported, missing = await self._imported(grant, deleting=known.deleting)
        secret = await self._secret(grant, status=status)
        grant = self._identified(grant, status, secret)
        view = (
            None
            if secret is None
            else self.secret_state(
                grant,
                trust_status_over_annotations(secret, status=status),
                source=source,
                imported=imported.digest,
                imported_before=imported.before,
            )
        )
        view = self._unless_ended(view, grant, status)
        pending_probe = self._probing.held(grant, source=source, imported=imported.digest)
        ours = view is not None and view.ownership is Ownership.OWNED
        state = GrantState(
            subject=subject,
            status=status,
            grant=grant,
            created_at=request_time(known.created),
            field_errors=field_errors,
            source=source,
            source_problem=source_problem or missing,
            secret=view,
            rival="" if ours else self._store.older_grant_for_same_secret(known),
            imported=imported.digest,
            pending_probe=pending_probe.cause if pending_probe is not None else None,
            contest=self._contest(known, status),
            former_due=known.former_due,
            recorded_data_hash=(
                data_hash(status.fingerprint) if status.secret_name == grant.secret_name else ""
            ),
        )
        return self._proofs.verified(state, secret if ours else None)

    def _identified(
        self, grant: ApiKeyGrant, status: GrantStatus, secret: ManagedSecret | None
    ) -> ApiKeyGrant:
        """The grant with its identity in the clouds; another's Secret says nothing of it."""
        ours = secret is not None and classify(grant, secret) is Ownership.OWNED
        return self._proofs.identified(grant, status, secret if ours else None)

    async def _imported(
        self, grant: ApiKeyGrant, *, deleting: bool
    ) -> tuple[_Imported, Failure | None]:
        """Digests of the value that the grant imports, or why there is none to be read."""
        if grant.imports is None or deleting:
            return _Imported(), None
        field, reference = grant.imports
        try:
            digest, before = await self._values.summary(
                namespace=grant.namespace,
                name=reference.name,
                key=reference.key,
                field=field,
                of=partial(self._digests, grant.namespace),
            )
        except Failure as failure:
            return _Imported(), failure
        return _Imported(digest, before=before), None

    def _digests(self, namespace: str, value: Sensitive) -> tuple[str, ...]:
        key = self._key()
        return (
            imported_digest(value, key=key, namespace=namespace),
            imported_digest(value, key=key),
        )

    async def _secret(self, grant: ApiKeyGrant, *, status: GrantStatus) -> ManagedSecret | None:
        """The Secret as watched; one that the watch does not show is read where there is a sign.

        The watch shows labeled Secrets only. That another one stands at the name is found out by
        the first write, which refuses to touch it, and remembered by the condition. One that was
        published may have lost the label.
        """
        name = (grant.namespace, grant.secret_name)
        known = self._store.secrets.get(name)
        if known is not None and known.watched:
            self._unwatched.discard(name)
            return None if known.deleting else known
        conflict = status.condition(SECRET_CONFLICT) is not None
        published = status.revision > 0 and status.secret_name == grant.secret_name
        if known is None and not conflict and not published and name not in self._unwatched:
            return None
        metadata = await self._objects.secret_metadata(
            namespace=grant.namespace, name=grant.secret_name
        )
        if metadata is None:
            self._unwatched.discard(name)
            self._forget(known)
            return None
        secret = managed_secret_from(metadata)
        if classify(grant, secret) is not Ownership.OWNED:
            return secret
        self._store.put_secret(secret)
        return None if secret.deleting else secret

    def _forget(self, known: ManagedSecret | None) -> None:
        """Drop a Secret that is gone and that no watch has reported."""
        name = (known.namespace, known.name) if known is not None else None
        if name is not None and self._store.secrets.get(name) is known:
            del self._store.secrets[name]

    def _contest(self, known: GrantRecord, status: GrantStatus) -> Contest | None:
        """The contest that is remembered or, after a restart, reported."""
        now = self._clock()
        if known.contest is None:
            known.contest = resumed(status, now=now)
        elif is_over(known.contest, now=now):
            known.contest = None
        return known.contest

    def secret_state(
        self,
        grant: ApiKeyGrant,
        secret: ManagedSecret,
        *,
        source: CredentialSource | None,
        imported: str,
        imported_before: str = "",
    ) -> SecretState:
        """What the metadata of its Secret means for the grant.

        `imported_before` is a digest of before the salt, which counts as well.
        """
        ownership = classify(grant, secret)
        if ownership is not Ownership.OWNED:
            owner = secret.granted_by
            others = ownership is Ownership.OWNED_BY_OTHER
            return SecretState(
                secret.namespace,
                secret.name,
                ownership=ownership,
                owner=f"{owner.namespace}/{owner.name}" if owner else "",
                left_behind=others and self._store.is_left_behind(secret),
                released=not others and self._store.is_released(secret),
            )
        altered = altered_fields(secret, data_keys(grant), grant=grant, source=source)
        digests = (imported, imported_before) if imported_before else (imported,)
        many = grant.is_bulk_import
        return SecretState.of(
            secret if many else replace(secret, remark=""),
            ownership=ownership,
            matches_spec=source is not None
            and (grant.managed is not None or not self._is_stale(grant))
            and any(
                has_identity(
                    secret.fingerprint, key_identity(grant, source=source, imported=digest)
                )
                for digest in digests
            ),
            renewal_deadline=renewal_deadline_of(
                grant, issued_at=secret.issued_at, expires_at=secret.expires_at
            ),
            entry_count=len(secret.owned_keys) if many else 1,
            data_hash=data_hash(secret.fingerprint),
            altered=altered,
            taken_by=managers_of(secret, altered),
        )

    def _unless_ended(
        self, view: SecretState | None, grant: ApiKeyGrant, status: GrantStatus
    ) -> SecretState | None:
        """The view, with the end that the cloud has shown where nobody reports one.

        Until another key is published it has ended, also after a restart: the status says so.
        """
        if view is None or view.ownership is not Ownership.OWNED or grant.managed is not None:
            return view
        source = self._store.sources.get(grant.source_key)
        ended_at = source.ended_at if source is not None else None
        ready = status.condition(READY)
        if ended_at is None and ready is not None and status.issued_at == view.issued_at:
            ended_at = ready.last_transition_time if ready.reason == EXPIRED else None
        if ended_at is None or view.issued_at is None or view.issued_at > ended_at:
            return view
        if view.expires_at is not None and view.expires_at <= ended_at:
            return view
        return replace(view, expires_at=ended_at)

    def _is_stale(self, grant: ApiKeyGrant) -> bool:
        """Whether its key was made with one that the source has no more.

        A key without an end has no renewal that would bring the new one: it is compared by its id,
        since the change may have come while no operator looked.
        """
        record = self._store.grants.get(grant.uid)
        if record is None or record.source_key_changed:
            return record is not None
        source = self._store.sources.get(grant.source_key)
        if source is None or source.static_key_id is None:
            return False
        return record.parsed()["status"].get("keyId") not in (None, source.static_key_id)


def _time(text: object) -> datetime | None:
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
