"""Reads a key back from the Secret that holds it, off the event loop where that takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.secrets.recovery import recover

# Characters of a Secret that are read without a thread: some milliseconds at most.
_READ_AT_ONCE = 32_768


async def recovered(
    grant: ApiKeyGrant, *, data: Mapping[str, str], fingerprint: str, key: bytes
) -> dict[str, Sensitive] | None:
    """The values of the key that the data holds; read off the event loop where there is much."""
    read = partial(
        recover,
        grant.kind,
        data=data,
        fingerprint=fingerprint,
        key=key,
        namespace=grant.namespace,
    )
    if sum(map(len, data.values())) <= _READ_AT_ONCE:
        return read()
    return await asyncio.to_thread(read)
