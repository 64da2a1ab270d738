"""Keys left in a cloud: stored in a ConfigMap, and revoked as soon as possible."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol

import msgspec

from keywright.api.errors import ApiError, ApiUnreachableError, Failure, FailureClass
from keywright.api.source import CredentialSource, Provider
from keywright.api.status import GrantStatus
from keywright.clouds.classified import unexpected
from keywright.clouds.interfaces import Evidence, GrantProvider, HolderInUseError
from keywright.clouds.sessions import Clock
from keywright.controller.grants.source_access import Tenancy
from keywright.controller.store import Store
from keywright.planning.orphans import (
    OVERFLOW,
    Orphan,
    Ref,
    fits,
    orphan,
    overflow,
    parsed,
    unparsed_orphan,
)
from keywright.planning.state import GrantState

_LOG = logging.getLogger(__name__)
_FORBIDDEN = 403
# Failures that the next key of the same source would have as well.
_OF_THE_SOURCE = frozenset({FailureClass.TRANSIENT, FailureClass.THROTTLED})


class Register(Protocol):
    """The storage of the entries."""

    async def read(self) -> dict[str, str]:
        """Return all entries; raises ApiError."""

    async def change(self, data: Mapping[str, str | None]) -> None:
        """Set some entries, and remove others; raises ApiError."""


class OrphanRegister:
    """Adds entries, counts them, and revokes their keys through the same sources."""

    def __init__(
        self,
        register: Register,
        *,
        store: Store,
        tenancy: Tenancy,
        clock: Clock,
        cluster_id: Callable[[], str] = lambda: "",
    ) -> None:
        self._register = register
        self._store = store
        self._tenancy = tenancy
        self._clock = clock
        self._cluster_id = cluster_id
        self._entries: dict[str, Orphan] = {}
        self._overflow: Counter[str] = Counter()

    def count(self) -> dict[str, int]:
        """The number of entries, by kind."""
        return dict(self._overflow + Counter(each.kind for each in self._entries.values()))

    async def add(self, state: GrantState, key_ids: Collection[str], *, why: str) -> frozenset[str]:
        """Register keys of a grant; return those that were not registered before.

        Raises ApiError, unless the operator has no permission to write there: the grant must not be
        blocked by that. Also if the labels of the grant's namespace cannot be read
        (ApiUnreachableError as well).
        """
        if not key_ids:
            return frozenset()
        found = [await self._orphan(state, each, why=why) for each in sorted(key_ids)]
        try:
            await self._read()
            new = [each for each in found if each.entry not in self._entries]
            await self._write(new)
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            _LOG.error("error: keys that are left cannot be listed: %s", error)
            return frozenset(key_ids)
        return frozenset(each.key_id for each in new)

    async def _orphan(self, state: GrantState, key_id: str, *, why: str) -> Orphan:
        grant, source, now = state.grant, state.source, self._clock()
        if grant is None or grant.managed is None:
            kind = state.status.kind
            return unparsed_orphan(state.subject, key_id, kind=kind, why=why, now=now)
        where = Ref(*grant.source_key, uid="")
        if source is not None:
            named = Ref(source.namespace, source.name, source.uid)
            where = await self._source_of(key_id, named, asking=grant.namespace)
        return orphan(grant, where, key_id, why=why, now=now)

    async def _source_of(self, key_id: str, named: Ref, *, asking: str) -> Ref:
        """The source that can revoke the key: one of its account, if the grant's source is not.

        It allows the namespace now, which is checked again when it is used.
        """
        account = key_id.partition("/")[0]
        record = self._store.sources.get((named.namespace, named.name))
        if record is None or record.status.account_id in {None, account}:
            return named
        others = [
            each.value
            for each in self._store.sources.values()
            if each.status.account_id == account
            and not each.deleting
            and isinstance(each.value, CredentialSource)
        ]
        others.sort(key=lambda each: (each.namespace != named.namespace, each.namespace, each.name))
        for other in others:
            if await self._tenancy.is_allowed(asking, source=other):
                return Ref(other.namespace, other.name, other.uid)
        return named

    async def _read(self) -> None:
        data = await self._register.read()
        self._entries, self._overflow = parsed(data), Counter(overflow(data))

    async def _write(self, new: Iterable[Orphan]) -> None:
        change: dict[str, str | None] = {}
        for each in new:
            if fits(each, self._entries):
                self._entries[each.entry] = each
                change[each.entry] = msgspec.json.encode(each).decode()
            else:
                self._overflow[each.kind] += 1
                change[OVERFLOW] = msgspec.json.encode(dict(self._overflow)).decode()
        if change:
            await self._register.change(change)

    # ---- revocation

    async def sweep(
        self,
        *,
        providers: Mapping[Provider, GrantProvider],
        leads: Callable[[], bool],
        seconds: float,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Try to revoke the keys at every interval; runs until cancelled."""
        while True:
            await pause(seconds)
            if not leads():
                continue
            try:
                await self.revoke_all(providers)
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("revoking keys that were left failed, retrying later: %s", error)

    async def revoke_all(self, providers: Mapping[Provider, GrantProvider]) -> None:
        """Try each key once.

        After an outage or throttling, the other keys of the source wait for the next round. A key
        that cannot be revoked for a reason of its own does not delay other keys.
        """
        await self._read()
        if not self._entries:
            return
        failing: set[Ref] = set()
        for name, each in list(self._entries.items()):
            if each.source in failing:
                continue
            source = self._source(each.source)
            if source is None:
                continue
            gone = self._is_in_use(each)
            if not gone:
                try:
                    gone = await self._revoked(each, source, providers[source.provider])
                except Failure as failure:
                    _log_refusal(each, failure)
                    failing |= {each.source} if failure.kind in _OF_THE_SOURCE else set()
            if gone:
                del self._entries[name]
                await self._register.change({name: None})

    async def _revoked(
        self, each: Orphan, source: CredentialSource, cloud_provider: GrantProvider
    ) -> bool:
        """Whether the key is deleted; raises Failure."""
        grant = each.as_grant(cluster_id=self._cluster_id())
        if grant is None:
            return False
        again = any(
            (record.namespace, record.name) == grant.object_key
            for record in self._store.grants.values()
        )
        label = f"{grant.namespace}/{grant.name}"
        try:
            evidence = Evidence(frozenset({each.key_id}))
            keys = await cloud_provider.keys(grant, source=source, evidence=evidence)
            # Its user or plan may belong to a grant that was created again under the name.
            left = await keys.remove((each.key_id,), and_holder=not again)
        except HolderInUseError as failure:
            _LOG.warning(
                "a key that was left is revoked: %s; %s",
                each.key_id,
                failure.message_with_remedy(),
                extra={"grant": label},
            )
            return True
        except Exception as error:
            raise unexpected(error, what="revoking a key that was left") from None
        if not left:
            _LOG.info("a key that was left is revoked: %s", each.key_id, extra={"grant": label})
        return not left

    def _source(self, ref: Ref) -> CredentialSource | None:
        """The same source, if it still exists."""
        record = self._store.sources.get((ref.namespace, ref.name))
        if record is None or record.uid != ref.uid:
            return None
        return record.value if isinstance(record.value, CredentialSource) else None

    def _is_in_use(self, each: Orphan) -> bool:
        """Whether the grant was restored, and uses its key again.

        Other grants do not count: naming the ID would be enough to keep the key.
        """
        for record in self._store.grants.values():
            if (record.namespace, record.name) != (each.grant.namespace, each.grant.name):
                continue
            secret = self._store.secrets.get(record.secret)
            status = GrantStatus.parse(record.parsed()["status"])
            found = {status.key_id, secret.key_id if secret is not None else None}
            return each.key_id in found and not record.deleting
        return False


def _log_refusal(each: Orphan, failure: Failure) -> None:
    _LOG.warning(
        "revoking a key that was left failed, retrying later: %s",
        failure.message_with_remedy(),
        extra={"grant": f"{each.grant.namespace}/{each.grant.name}"},
    )
