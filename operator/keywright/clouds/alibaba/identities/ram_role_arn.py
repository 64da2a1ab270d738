"""AssumeRole with the access key from a Secret, which may be the key of a session itself."""

from __future__ import annotations

from keywright.api.alibaba_source import RamRoleArn
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    ROOT,
    AlibabaContext,
    endpoint_of,
)
from keywright.clouds.alibaba.credentials import access_key_from_secret
from keywright.clouds.alibaba.identities.roles import (
    SecretRef,
    assume,
    build_role,
)
from keywright.clouds.interfaces import Session, SessionOptions

_FIELD = f"{ROOT}.ramRoleArn"


async def open_session(
    identity: RamRoleArn, *, source: CredentialSource, ask: SessionOptions, context: AlibabaContext
) -> Session:
    """Open a session of the role.

    Raises:
        Failure: the Secret, or a value in it, is missing, or STS refuses.
    """
    place = SecretRef(identity.secret_ref.name, f"{_FIELD}.secretRef")
    key = await access_key_from_secret(
        place.secret, field=place.field, source=source, context=context
    )
    role = build_role(
        identity,
        arn=identity.role_arn,
        field=_FIELD,
        source=source,
        ask=ask,
        external_id=identity.external_id,
    )
    return await assume(role, by=key, key=place, at=endpoint_of(source), context=context)
