"""Read a key back from the Secret that holds it, outside the event loop if that takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.controller.context import Context
from keywright.planning.state import GrantState, SecretState
from keywright.secrets.credential import API_KEY
from keywright.secrets.ownership import Ownership
from keywright.secrets.previous import uses_previous
from keywright.secrets.recovery import recover, recover_previous

# The characters of a Secret that are parsed without a thread: a few milliseconds at most.
_READ_AT_ONCE = 32_768


@dataclass(frozen=True, slots=True)
class SecretValues:
    """The values that a Secret contains: of its key, and of the previous one."""

    key: Mapping[str, Sensitive] | None = None
    previous: Sensitive | None = None

    @property
    def api_key(self) -> Sensitive | None:
        """The value of a key that consists of one value."""
        return None if self.key is None else self.key.get(API_KEY)


async def read_values(
    context: Context, grant: ApiKeyGrant, secret: SecretState | None
) -> SecretValues:
    """The values of a Secret that the grant owns, by one request; none if there is none.

    Raises:
        ApiError, ApiUnreachableError: the Secret cannot be read.
    """
    if secret is None or secret.ownership is not Ownership.OWNED or not secret.fingerprint:
        return SecretValues()
    data = await context.objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
    data = data or {}
    read = partial(_recovered, context.fingerprint_key(), grant, secret, data)
    if sum(map(len, data.values())) <= _READ_AT_ONCE:
        return read()
    return await asyncio.to_thread(read)


async def previous_values(context: Context, state: GrantState) -> SecretValues:
    """As `read_values`, for a layout with the previous value; without a request for others."""
    grant = state.grant
    assert grant is not None
    return await read_values(context, grant, state.secret if uses_previous(grant) else None)


def _recovered(
    key: bytes, grant: ApiKeyGrant, secret: SecretState, data: Mapping[str, str]
) -> SecretValues:
    namespace = grant.namespace
    return SecretValues(
        recover(
            grant.kind,
            data=data,
            fingerprint=secret.fingerprint or "",
            key=key,
            namespace=namespace,
        ),
        recover_previous(
            data=data,
            key_id=secret.previous_id,
            recorded_hash=secret.previous_hash,
            key=key,
            namespace=namespace,
        )
        if secret.previous_id and secret.previous_hash
        else None,
    )


async def key_values(
    context: Context, grant: ApiKeyGrant, secret: SecretState
) -> Mapping[str, Sensitive] | None:
    """The values of the key in the Secret; None if no values match its fingerprint."""
    return (await read_values(context, grant, secret)).key
