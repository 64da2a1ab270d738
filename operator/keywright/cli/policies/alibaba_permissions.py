"""What each kind of key needs in Alibaba Cloud: the permissions of the identity that issues it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import Key, KeyKind
from keywright.clouds.alibaba.provider import KEYS, MANAGED_KEYS


def permissions_of(grants: Iterable[ApiKeyGrant]) -> Iterator[dict[str, Any]]:
    """The statements that grants of one identity need; grants of one kind share some."""
    kinds: dict[KeyKind, list[Key]] = {}
    for grant in grants:
        kinds.setdefault(grant.kind, []).append(grant.key)
    for kind, keys in kinds.items():
        entry = KEYS.get(kind) or MANAGED_KEYS.get(kind)
        if entry is not None:
            yield from entry.permissions(keys)
