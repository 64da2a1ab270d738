"""The Secrets that sources and grants read, and the reaction to their changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from keywright.cluster.client import KubernetesClient
from keywright.cluster.source_secrets import SecretCache
from keywright.cluster.tasks import Tasks
from keywright.cluster.watch import SecretWatch
from keywright.controller.records import Name
from keywright.controller.store import Store

_SECONDS = 0.2


class Coalesced:
    """Calls immediately, and then at most once per interval; the last call is never lost."""

    def __init__(self, call: Callable[[], None], *, seconds: float = _SECONDS) -> None:
        self._call = call
        self._seconds = seconds
        self._called_at = float("-inf")
        self._planned: asyncio.Handle | None = None

    def __call__(self) -> None:
        """Call now, or as soon as the interval has elapsed."""
        if self._planned is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._called_at + self._seconds - loop.time()
        if wait <= 0:
            self._now()
        else:
            self._planned = loop.call_later(wait, self._now)

    def _now(self) -> None:
        self._planned = None
        self._called_at = asyncio.get_running_loop().time()
        self._call()


class ReferencedSecretsWatch:
    """Watches the referenced Secrets, and reports changed values.

    `everywhere`: one watch of all namespaces, if the operator has permission for it.

    A Secret whose labels or other metadata change is read once, without a report.
    """

    def __init__(
        self,
        client: KubernetesClient,
        *,
        store: Store,
        values: SecretCache,
        changed: Callable[[str, str], None],
        everywhere: bool = False,
        tasks: Tasks | None = None,
    ) -> None:
        self._store = store
        self._values = values
        self._changed = changed
        self._watch = SecretWatch(
            client, look=self.look, wanted=self._reads, everywhere=everywhere, tasks=tasks
        )
        self._names: frozenset[Name] = frozenset()
        self._needed: dict[Name, frozenset[str]] = {}
        self._of: dict[str, list[str]] = {}

    def sources_changed(self) -> None:
        """A source, or a grant that imports a value, was added, removed or edited."""
        needed: dict[Name, frozenset[str]] = {}
        for (namespace, _), record in self._store.sources.items():
            if not isinstance(record.value, list):
                for secret, keys in record.value.secret_keys.items():
                    place = (namespace, secret)
                    needed[place] = needed.get(place, frozenset()) | keys
        self._needed = needed
        names = frozenset(needed) | self._store.imported_secrets()
        if names == self._names:
            return
        new, self._names = names - self._names, names
        self._of = {}
        for namespace, secret in sorted(names):
            self._of.setdefault(namespace, []).append(secret)
        self._values.retain(names)
        self._watch.want(frozenset(self._of))
        for namespace, secret in new:
            # It may have changed since it was first read, when its events were still ignored.
            self._watch.look_soon(namespace, secret)

    async def look(self, namespace: str, name: str | None) -> None:
        """Compare one Secret, or all referenced ones in the namespace, with the known values."""
        for secret in list(self._of.get(namespace, ())):
            if name in (None, secret) and await self._values.has_changed(
                namespace=namespace,
                name=secret,
                needed=self._needed.get((namespace, secret), frozenset()),
            ):
                self._changed(namespace, secret)

    def _reads(self, namespace: str, name: str) -> bool:
        return (namespace, name) in self._names

    async def close(self) -> None:
        """Stop all watches."""
        await self._watch.close()
