"""Which namespaces may use a source: asked at every look, and told when the answer changes."""

from __future__ import annotations

from collections.abc import Callable

from keywright.api.errors import ApiError
from keywright.api.source import CredentialSource
from keywright.cluster.client import KubernetesClient
from keywright.cluster.namespace_labels import NamespaceLabels
from keywright.cluster.tasks import Tasks
from keywright.controller.store import Store

_FORBIDDEN = 403


class Tenancy:
    """Namespaces are watched only while there is a source that allows them by their labels."""

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
        """A source came, went or was edited."""
        self._labels.enable(
            wanted=any(
                isinstance(record.value, CredentialSource) and record.value.selects_namespaces
                for record in self._store.sources.values()
            )
        )

    async def is_allowed(self, namespace: str, *, source: CredentialSource) -> bool:
        """Whether grants of the namespace may use the source.

        Labels that may not be read allow nothing; the watch logs why.

        Raises:
            ApiError, ApiUnreachableError: they cannot be read just now.
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
        """The same by what is known already; what is not known allows nothing."""
        labels = self._labels.known(namespace) if source.selects_namespaces else None
        if source.selects_namespaces and labels is None:
            return namespace == source.namespace
        return source.allows(namespace, labels=labels or {})

    async def close(self) -> None:
        """Watch nothing any more."""
        await self._labels.close()
