"""What each kind of key needs in AWS: the permissions of the identity that issues it.

The least that works over the life of the grants: creation, edits, rotation and deletion. For keys
that a session signs, also what their readers call, because such a key has the permissions of the
role.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import Key, KeyKind
from keywright.clouds.aws.place import Place
from keywright.clouds.aws.provider import KEYS, MANAGED_KEYS
from keywright.clouds.policy_statements import statement


def permissions_of(grants: Iterable[tuple[ApiKeyGrant, Place]]) -> Iterator[dict[str, Any]]:
    """The statements that grants of one identity need; grants of one kind share some."""
    kinds: dict[KeyKind, list[tuple[Key, Place]]] = {}
    for grant, place in grants:
        if grant.key.is_scoped:
            yield statement("LimitTheSession", ["sts:GetScopedCredentials"], "*")
        kinds.setdefault(grant.kind, []).append((grant.key, place))
    for kind, keys in kinds.items():
        entry = KEYS.get(kind) or MANAGED_KEYS.get(kind)
        if entry is not None:
            yield from entry.permissions(keys)


def boundary_of(grant: ApiKeyGrant, place: Place) -> Iterator[dict[str, Any]]:
    """The most that a user created for the grant can do."""
    yield from MANAGED_KEYS[grant.kind].boundary(grant.key, place)
