"""AssumeRole with the access key of a Secret, which may be the key of a session itself."""

from __future__ import annotations

from keywright.api.alibaba_identities import RamRoleArn
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.identities.asking import (
    ROOT,
    Edges,
    endpoint_of,
)
from keywright.clouds.alibaba.identities.key_material import stored_key
from keywright.clouds.alibaba.identities.roles import (
    KeyPlace,
    assumed,
    role_of,
)
from keywright.clouds.ways import Session, SessionAsk

_FIELD = f"{ROOT}.ramRoleArn"


async def open_session(
    identity: RamRoleArn, *, source: CredentialSource, ask: SessionAsk, edges: Edges
) -> Session:
    """A new session of the role.

    Raises:
        Failure: the Secret, or a value in it, is missing, or STS refuses.
    """
    place = KeyPlace(identity.secret_ref.name, f"{_FIELD}.secretRef")
    key = await stored_key(place.secret, field=place.field, source=source, edges=edges)
    role = role_of(
        identity,
        arn=identity.role_arn,
        field=_FIELD,
        source=source,
        ask=ask,
        external_id=identity.external_id,
    )
    return await assumed(role, by=key, key=place, at=endpoint_of(source), edges=edges)
