"""Read a key back from the Secret that holds it, outside the event loop if that takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.controller.context import Context
from keywright.planning.state import GrantState, SecretState
from keywright.secrets.credential import API_KEY
from keywright.secrets.fingerprint import KeyFacts
from keywright.secrets.ownership import Ownership
from keywright.secrets.previous import uses_previous
from keywright.secrets.recovery import Record, recover, recover_previous

# The characters of a Secret that are parsed without a thread: a few milliseconds at most.
_READ_AT_ONCE = 32_768
# A Secret and its status name a few keys; a forged status could name many.
_MAX_UNPROVED = 8


@dataclass(frozen=True, slots=True)
class SecretValues:
    """The values that a Secret contains: of its key, and of the previous one."""

    key: Mapping[str, Sensitive] | None = None
    previous: Sensitive | None = None

    @property
    def api_key(self) -> Sensitive | None:
        """The value of a key that consists of one value."""
        return None if self.key is None else self.key.get(API_KEY)


async def read_values(context: Context, state: GrantState) -> SecretValues:
    """The values of the Secret, if the grant owns it, by one request; none if there is none.

    Raises:
        ApiError, ApiUnreachableError: the Secret cannot be read.
    """
    secret = state.secret
    key_id = (secret.key_id if secret is not None else None) or state.status.key_id
    return await _read(context, state, (key_id,))


async def previous_values(context: Context, state: GrantState) -> SecretValues:
    """As `read_values`, for a layout with the previous value; without a request for others."""
    assert state.grant is not None
    return await read_values(context, state) if uses_previous(state.grant) else SecretValues()


async def key_values(context: Context, state: GrantState) -> Mapping[str, Sensitive] | None:
    """The values of the key in the Secret; None if no values match what is recorded."""
    return (await read_values(context, state)).key


async def unproved_values(context: Context, state: GrantState) -> Mapping[str, Sensitive] | None:
    """As `key_values`, if one of the IDs without proof is that of the key."""
    ids = islice(sorted(state.unproved_ids), _MAX_UNPROVED)
    return (await _read(context, state, tuple(ids))).key


async def _read(
    context: Context, state: GrantState, key_ids: tuple[str | None, ...]
) -> SecretValues:
    grant, secret = state.grant, state.secret
    assert grant is not None
    if secret is None or secret.ownership is not Ownership.OWNED or not secret.fingerprint:
        return SecretValues()
    if grant.managed is None:
        key_ids = (None,)
    record = Record(
        secret.fingerprint,
        facts=tuple(_facts(secret, key_id) for key_id in key_ids if secret.issued_at is not None),
        is_in_status=secret.fingerprint == state.status.fingerprint,
    )
    data = await context.objects.secret_data(namespace=grant.namespace, name=grant.secret_name)
    data = data or {}
    read = partial(_recovered, context.fingerprint_key(), grant, secret, record, data)
    if sum(map(len, data.values())) <= _READ_AT_ONCE:
        return read()
    return await asyncio.to_thread(read)


def _facts(secret: SecretState, key_id: str | None) -> KeyFacts:
    assert secret.issued_at is not None
    return KeyFacts(
        key_id,
        issued_at=secret.issued_at,
        expires_at=secret.expires_at,
        revision=secret.revision,
    )


def _recovered(
    key: bytes,
    grant: ApiKeyGrant,
    secret: SecretState,
    record: Record,
    data: Mapping[str, str],
) -> SecretValues:
    namespace = grant.namespace
    return SecretValues(
        recover(grant.kind, data=data, record=record, key=key, namespace=namespace),
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
