"""How what was made for a grant is marked in AWS, where it takes tags."""

from __future__ import annotations

import hashlib
from typing import Final

from keywright.api.grant import ApiKeyGrant

TAG: Final = "keywright.dev/grant"
UID_TAG: Final = "keywright.dev/grant-uid"
INTENT_TAG: Final = "keywright.dev/intent"
IMPORT_TAG: Final = "keywright.dev/import"
_TAG_VALUE_LIMIT: Final = 256


def owner_of(grant: ApiKeyGrant) -> str:
    """What our tag says of a thing: the grant, by a name that survives a restore."""
    name = f"{grant.namespace}/{grant.name}"
    if len(name) <= _TAG_VALUE_LIMIT:
        return name
    return f"{name[:200]}.{hashlib.sha256(name.encode()).hexdigest()[:32]}"
