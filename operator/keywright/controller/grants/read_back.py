"""Read a key back from the Secret that holds it, outside the event loop if that takes long."""

from __future__ import annotations

import asyncio
from functools import partial

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.controller.context import Context
from keywright.planning.state import SecretState
from keywright.secrets.recovery import recover

# The characters of a Secret that are parsed without a thread: a few milliseconds at most.
_READ_AT_ONCE = 32_768


async def key_values(
    context: Context, grant: ApiKeyGrant, secret: SecretState
) -> dict[str, Sensitive] | None:
    """The values of the key in the Secret; None if no values match its fingerprint."""
    data = await context.objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
    data = data or {}
    read = partial(
        recover,
        grant.kind,
        data=data,
        fingerprint=secret.fingerprint or "",
        key=context.fingerprint_key(),
        namespace=grant.namespace,
    )
    if sum(map(len, data.values())) <= _READ_AT_ONCE:
        return read()
    return await asyncio.to_thread(read)
