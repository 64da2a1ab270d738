"""Authorization of sources: which namespace may use which source, checked on every use.

The requesting namespace and the live source decide, each time. An authorization is never cached: a
decision fetches the source by `find`, and `AuthorizedVendor` checks again before a session is
opened, so that no path (issue, probe, list, revoke, undo) can skip it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec
from typing_extensions import override

from keywright.api.errors import ApiError, ConflictError, Failure
from keywright.api.grant import ApiKeyGrant, SourceReference
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.interfaces import (
    NO_EVIDENCE,
    CloudProvider,
    Evidence,
    GrantProvider,
    Intent,
    IssuedKey,
    ManagedKeys,
)
from keywright.cluster.client import KubernetesClient
from keywright.cluster.namespace_labels import NamespaceLabels
from keywright.cluster.tasks import Tasks
from keywright.controller.store import Store
from keywright.planning.sources import source_failure
from keywright.secrets.credential import Credential


class SourceAccess:
    """Finds the source of a grant, if the grant's namespace may use it."""

    def __init__(self, *, store: Store, tenancy: Tenancy) -> None:
        self._store = store
        self._tenancy = tenancy

    async def find(self, grant: ApiKeyGrant) -> tuple[CredentialSource | None, Failure | None]:
        """The source if the namespace may use it, and why it cannot be used now.

        For a grant that is being deleted, a deleted source is returned as its last live version, if
        that version allowed the namespace, so that the key can be revoked. If the source was
        created again under the same name, only that live version decides.

        Raises:
            ApiError, ApiUnreachableError: the namespace's labels cannot be read.
        """
        found = self._store.sources.get(grant.source_key)
        value = None if found is None else found.value
        usable = value if isinstance(value, CredentialSource) else None
        if found is None and grant.deleting:
            usable = self._store.deleted_source(grant.source_key)
        permitted = usable is not None and await self._tenancy.is_allowed(
            grant.namespace, source=usable
        )
        failure = source_failure(
            grant.source_key,
            value=value,
            deleting=found is not None and found.deleting,
            asking=grant.namespace,
            permitted=permitted,
        )
        return usable if permitted else None, failure

    async def find_for_keys(
        self, grant: ApiKeyGrant, *, account: str | None, attempts: int
    ) -> tuple[ApiKeyGrant, CredentialSource | None, Failure | None]:
        """As `find`, by a source of the account that the keys of a deleted grant are in.

        If the source now has another account, or is unusable, the grant is returned with the name
        of another source of the account that allows its namespace. A status can name an account
        that the source cannot reach, so each of the failed `attempts` is followed by another one.
        """
        source, failure = await self.find(grant)
        named = self._store.sources.get(grant.source_key)
        known = named.status.account_id if named is not None else None
        if account is None or grant.managed is None:
            return grant, source, failure
        if source is not None and (known is None or known == account):
            return grant, source, failure
        others = await self._of_account(grant, account)
        if not others:
            return grant, source, failure
        other = others[attempts % len(others)]
        reference = SourceReference(name=other.name, namespace=other.namespace)
        spec = msgspec.structs.replace(grant.spec, source_ref=reference)
        return replace(grant, spec=spec), other, None

    async def _of_account(self, grant: ApiKeyGrant, account: str) -> list[CredentialSource]:
        """The live sources of an account that the grant may use, those of its namespace first."""
        found = [
            record.value
            for record in self._store.sources.values()
            if record.status.account_id == account
            and not record.deleting
            and isinstance(record.value, CredentialSource)
        ]
        found.sort(key=lambda each: (each.namespace != grant.namespace, each.namespace, each.name))
        return [
            each for each in found if await self._tenancy.is_allowed(grant.namespace, source=each)
        ]

    async def check(self, grant: ApiKeyGrant, source: CredentialSource) -> None:
        """Check that the grant may use this version of the source at this moment.

        Raises:
            Failure: the live source refuses the grant's namespace, or does not exist.
            ConflictError: the source was edited since the decision.
        """
        usable, failure = await self.find(grant)
        if usable is None:
            assert failure is not None
            raise failure
        if (usable.uid, usable.generation) != (source.uid, source.generation):
            raise ConflictError


class AuthorizedVendors(Mapping[Provider, GrantProvider]):
    """The cloud providers with the authorization check."""

    def __init__(
        self, providers: Mapping[Provider, CloudProvider], *, access: SourceAccess
    ) -> None:
        self._providers = providers
        self._access = access

    @override
    def __getitem__(self, provider: Provider) -> GrantProvider:
        return AuthorizedVendor(self._providers[provider], access=self._access)

    @override
    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers)

    @override
    def __len__(self) -> int:
        return len(self._providers)


class AuthorizedVendor:
    """A cloud provider that checks the grant's access to the source before each call.

    All reconciles of grants get their sessions through this class.
    """

    def __init__(self, cloud_provider: CloudProvider, *, access: SourceAccess) -> None:
        self._cloud_provider = cloud_provider
        self._access = access

    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> IssuedKey:
        """Issue a new key; raises Failure."""
        await self._access.check(grant, source)
        return await self._cloud_provider.mint(
            grant, source=source, intent=intent, not_before=not_before
        )

    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        """The managed keys of a grant; raises Failure."""
        await self._access.check(grant, source)
        return await self._cloud_provider.keys(grant, source=source, evidence=evidence)

    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Probe a new key; raises Failure."""
        await self._access.check(grant, source)
        await self._cloud_provider.probe(grant, credential, source=source)


_FORBIDDEN = 403


class Tenancy:
    """Watches namespace labels, only while a source allows namespaces by their labels."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        store: Store,
        namespaces: tuple[str, ...],
        changed: Callable[[frozenset[str]], None],
        tasks: Tasks | None = None,
    ) -> None:
        self._store = store
        self._labels = NamespaceLabels(client, namespaces=namespaces, changed=changed, tasks=tasks)

    def sources_changed(self) -> None:
        """A source was added, removed or edited."""
        self._labels.enable(
            wanted=any(
                isinstance(record.value, CredentialSource) and record.value.selects_namespaces
                for record in self._store.sources.values()
            )
        )

    async def is_allowed(self, namespace: str, *, source: CredentialSource) -> bool:
        """Whether grants of the namespace may use the source.

        If labels may not be read, nothing is allowed; the watch logs why.

        Raises:
            ApiError, ApiUnreachableError: the labels cannot be read at the moment.
        """
        if namespace == source.namespace or not source.selects_namespaces:
            return source.allows(namespace, labels={})
        try:
            labels = await self._labels.labels(namespace)
        except ApiError as error:
            if error.status == _FORBIDDEN:
                return False
            raise
        return source.allows(namespace, labels=labels)

    def is_allowed_cached(self, namespace: str, *, source: CredentialSource) -> bool:
        """Whether the cached labels allow it; without cached labels, nothing is allowed."""
        labels = self._labels.known(namespace) if source.selects_namespaces else None
        if source.selects_namespaces and labels is None:
            return namespace == source.namespace
        return source.allows(namespace, labels=labels or {})

    async def close(self) -> None:
        """Stop all watches."""
        await self._labels.close()
