"""The register of keys left in a cloud when their grant was removed; without secret values."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from keywright.api.grant import ApiKeyGrant, GrantIdentity
from keywright.api.keys import MANAGED_KINDS
from keywright.api.parsing import parse_grant
from keywright.api.times import format_time
from keywright.planning.state import ObjectRef

# A ConfigMap is limited to a megabyte; an entry has less than a kilobyte.
MAX_ENTRIES: Final = 2000
MAX_PER_NAMESPACE: Final = 100
OVERFLOW: Final = "overflow"
_WHY_LIMIT: Final = 200


class Ref(msgspec.Struct, frozen=True):
    """An object by namespace, name and uid."""

    namespace: str
    name: str
    uid: str


class Orphan(msgspec.Struct, frozen=True, rename="camel"):
    """One key, and everything that is needed to revoke it.

    `holder`: the IAM user or the usage plans, for people. `key`: the part of the grant's spec that
    revoking needs.
    """

    key_id: str
    kind: str
    account: str
    source: Ref
    grant: Ref
    holder: str
    key: dict[str, Any]
    since: str
    why: str
    grant_id: str = ""

    @property
    def entry(self) -> str:
        """The key of the entry in the ConfigMap: IDs have characters that are not allowed there."""
        return entry_of(self.key_id)

    def as_grant(self, *, cluster_id: str) -> ApiKeyGrant | None:
        """The removed grant, as far as revoking needs it; None if that cannot be parsed."""
        found = parse_grant(
            {
                "metadata": {
                    "namespace": self.grant.namespace,
                    "name": self.grant.name,
                    "uid": self.grant.uid,
                    "generation": 1,
                    "resourceVersion": "1",
                    "deletionTimestamp": self.since,
                },
                "spec": {
                    "sourceRef": {"namespace": self.source.namespace, "name": self.source.name},
                    self.kind: self.key,
                },
            }
        )
        if not isinstance(found, ApiKeyGrant) or found.managed is None:
            return None
        identity = GrantIdentity(
            grant_id=self.grant_id or self.grant.uid,
            cluster_id=cluster_id,
            former_ids=(self.grant.uid,),
        )
        return replace(found, identity=identity)


def entry_of(key_id: str) -> str:
    """The key of the entry of a key in the ConfigMap."""
    return hashlib.sha256(key_id.encode()).hexdigest()[:32]


def orphan(grant: ApiKeyGrant, source: Ref, key_id: str, *, why: str, now: datetime) -> Orphan:
    """The entry for a key of the grant that could not be revoked."""
    return Orphan(
        key_id=key_id,
        kind=grant.kind.value,
        account=key_id.partition("/")[0],
        source=source,
        grant=Ref(grant.namespace, grant.name, grant.uid),
        holder=holder_of(grant),
        key=dict(grant.key.revocation_spec),
        since=format_time(now),
        why=why[:_WHY_LIMIT],
        grant_id=grant.known_as.grant_id,
    )


def unparsed_orphan(
    subject: ObjectRef, key_id: str, *, kind: str | None, why: str, now: datetime
) -> Orphan:
    """The entry for a key of a grant whose spec does not describe how to revoke it."""
    return Orphan(
        key_id=key_id,
        kind=kind if kind in MANAGED_KINDS else "",
        account=key_id.partition("/")[0],
        source=Ref(subject.namespace, "", uid=""),
        grant=Ref(subject.namespace, subject.name, subject.uid),
        holder="",
        key={},
        since=format_time(now),
        why=why[:_WHY_LIMIT],
    )


def holder_of(grant: ApiKeyGrant) -> str:
    """The IAM user or the usage plans of a grant's key, in a few words."""
    return grant.key.owner_description[:_WHY_LIMIT]


def parsed(data: Mapping[str, str]) -> dict[str, Orphan]:
    """The entries of the ConfigMap by key; unreadable entries are skipped."""
    found: dict[str, Orphan] = {}
    for name, text in data.items():
        if name == OVERFLOW:
            continue
        try:
            found[name] = msgspec.json.decode(text, type=Orphan)
        except msgspec.MsgspecError:
            continue
    return found


def overflow(data: Mapping[str, str]) -> dict[str, int]:
    """How many more orphans there were, by kind."""
    try:
        return msgspec.json.decode(data.get(OVERFLOW, "{}"), type=dict[str, int])
    except msgspec.MsgspecError:
        return {}


def fits(orphan: Orphan, entries: Mapping[str, Orphan]) -> bool:
    """Whether there is room for another entry; a single namespace cannot fill the register."""
    of_namespace = Counter(each.grant.namespace for each in entries.values())
    return len(entries) < MAX_ENTRIES and of_namespace[orphan.grant.namespace] < MAX_PER_NAMESPACE
