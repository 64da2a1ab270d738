"""What is known of a grant, its source and its Secret at one moment: the facts of a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.grant_checks import pair_problems
from keywright.api.parsing import parse_grant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.api.status import GrantStatus
from keywright.api.times import parse_time
from keywright.clouds.sessions import Clock
from keywright.cluster.objects import Objects
from keywright.cluster.source_secrets import SecretValues
from keywright.controller.journal import MintJournal
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.proving import Proving
from keywright.controller.records import GrantRecord, Name
from keywright.controller.renewals import renewal_by
from keywright.controller.sizes import spec_problem
from keywright.controller.source_access import SourceAccess
from keywright.controller.store import Store
from keywright.planning.conditions import READY, SECRET_CONFLICT
from keywright.planning.contest import is_over, resumed
from keywright.planning.expiry import EXPIRED
from keywright.planning.facts import Contest, Facts, SecretView, Standing, Subject
from keywright.planning.failures import Failure
from keywright.planning.requests import request_time
from keywright.secrets.drift import altered_fields, managers_of
from keywright.secrets.fingerprint import data_mark, imported_digest, mint_facts, same_mint_facts
from keywright.secrets.layout import check, check_region, data_keys
from keywright.secrets.ownership import (
    Ownership,
    SecretFacts,
    as_recorded,
    facts_from_metadata,
    judge,
)

_STANDINGS = {
    Ownership.OURS: Standing.OURS,
    Ownership.UNMARKED: Standing.NOBODYS,
    Ownership.OTHER_GRANT: Standing.ANOTHER_GRANTS,
}


@dataclass(frozen=True, slots=True)
class _Imported:
    """Keyed digests of an imported value: salted with the namespace, and as they were before."""

    digest: str = ""
    before: str = ""


class Gathering:
    """Puts the facts of a grant together: from what is watched, and reads where there is a sign."""

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        values: SecretValues,
        journal: MintJournal,
        proving: Proving,
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
        self._proving = proving
        self._access = access
        self._proofs = proofs
        self._unwatched: set[Name] = set()

    def look_at(self, name: Name) -> None:
        """A Secret that the watch does not show stands there: it is read until it is gone."""
        self._unwatched.add(name)

    async def gather(self, known: GrantRecord) -> Facts:
        """All that the next decision about the grant needs."""
        # What comes from here on is news, and makes it impatient again.
        impatient, known.impatient = known.impatient, False
        body = known.parsed()
        return self._journal.add_to(
            await self._known(known, body),
            impatient=impatient,
            finalizers=tuple(body["metadata"].get("finalizers", ())),
            deleting=known.deleting,
            deleting_since=_time(body["metadata"].get("deletionTimestamp")),
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
        grant = [spec_problem(known.oversize)] if known.oversize else parse_grant(body)
        if isinstance(grant, list):
            return self._proofs.verified(
                Facts(subject=subject, status=status, problems=tuple(grant)), None
            )
        source, source_problem = await self._access.find(grant)
        if source is not None:
            grant = grant.with_formats_for(source.provider)
        problems = tuple(check(grant))
        if source is not None and not problems:
            problems = tuple(pair_problems(grant, source=source))
            if source.provider is Provider.AWS:
                problems += tuple(check_region(grant, region=grant.region(source)))
        imported, missing = await self._imported(grant, deleting=known.deleting)
        secret = await self._secret(grant, status=status)
        grant = self._identified(grant, status, secret)
        view = (
            None
            if secret is None
            else self.view(
                grant,
                as_recorded(secret, status=status),
                source=source,
                imported=imported.digest,
                imported_before=imported.before,
            )
        )
        view = self._unless_ended(view, grant, status)
        unproven = self._proving.held(grant, source=source, imported=imported.digest)
        ours = view is not None and view.standing is Standing.OURS
        facts = Facts(
            subject=subject,
            status=status,
            grant=grant,
            created_at=request_time(known.created),
            problems=problems,
            source=source,
            source_problem=source_problem or missing,
            secret=view,
            rival="" if ours else self._store.rival(known),
            imported=imported.digest,
            unproven=unproven.cause if unproven is not None else None,
            contest=self._contest(known, status),
            former_due=known.former_due,
            told_data=(
                data_mark(status.fingerprint) if status.secret_name == grant.secret_name else ""
            ),
        )
        return self._proofs.verified(facts, secret if ours else None)

    def _identified(
        self, grant: ApiKeyGrant, status: GrantStatus, secret: SecretFacts | None
    ) -> ApiKeyGrant:
        """The grant with its identity in the clouds; another's Secret says nothing of it."""
        ours = secret is not None and judge(grant, facts=secret) is Ownership.OURS
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

    async def _secret(self, grant: ApiKeyGrant, *, status: GrantStatus) -> SecretFacts | None:
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
        secret = facts_from_metadata(metadata)
        if judge(grant, facts=secret) is not Ownership.OURS:
            return secret
        self._store.put_secret(secret)
        return None if secret.deleting else secret

    def _forget(self, known: SecretFacts | None) -> None:
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

    def view(
        self,
        grant: ApiKeyGrant,
        facts: SecretFacts,
        *,
        source: CredentialSource | None,
        imported: str,
        imported_before: str = "",
    ) -> SecretView:
        """What the metadata of its Secret tells of the grant's key.

        `imported_before` is a digest of before the salt, which counts as well.
        """
        standing = _STANDINGS[judge(grant, facts=facts)]
        mark = facts.granted_by
        if standing is not Standing.OURS:
            others = standing is Standing.ANOTHER_GRANTS
            return SecretView(
                standing,
                owner=f"{mark.namespace}/{mark.name}" if mark else "",
                left_behind=others and self._store.is_left_behind(facts),
                released=not others and self._store.is_released(facts),
            )
        altered = altered_fields(facts, data_keys(grant), grant=grant, source=source)
        return SecretView(
            standing,
            intact=not altered,
            same_key=source is not None
            and (grant.keeping is not None or not self._is_stale(grant))
            and any(
                same_mint_facts(
                    facts.fingerprint, facts=mint_facts(grant, source=source, imported=digest)
                )
                for digest in ((imported, imported_before) if imported_before else (imported,))
            ),
            issued_at=facts.issued_at,
            expires_at=facts.expires_at,
            renew_at=facts.renew_at,
            renew_by=renewal_by(grant, issued_at=facts.issued_at, expires_at=facts.expires_at),
            revision=facts.revision,
            fingerprint=facts.fingerprint,
            key_id=facts.key_id,
            replaces=facts.replaces,
            remark=facts.remark if grant.is_many else "",
            entries=len(facts.owned_keys) if grant.is_many else 1,
            data=data_mark(facts.fingerprint),
            handled_request=facts.handled_request,
            altered=altered,
            taken_by=managers_of(facts, altered),
            watched=facts.watched,
        )

    def _unless_ended(
        self, view: SecretView | None, grant: ApiKeyGrant, status: GrantStatus
    ) -> SecretView | None:
        """The view, with the end that the cloud has shown where nobody reports one.

        Until another key is published it has ended, also after a restart: the status says so.
        """
        if view is None or view.standing is not Standing.OURS or grant.keeping is not None:
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
        if record is None or record.stale:
            return record is not None
        source = self._store.sources.get(grant.source_key)
        if source is None or source.hands_on is None:
            return False
        return record.parsed()["status"].get("keyId") not in (None, source.hands_on)


def _time(text: object) -> datetime | None:
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
