"""A static access key from a Secret, with or without a security token.

It is verified once, by GetCallerIdentity, which also returns its owner. It has no known expiry; the
watch of the Secret detects its replacement.
"""

from __future__ import annotations

from keywright.api.alibaba_source import (
    AlibabaAccessKey,
    AlibabaSts,
)
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    ROOT,
    AlibabaContext,
    reject_session_options,
    verify_identity,
)
from keywright.clouds.alibaba.credentials import access_key_from_secret
from keywright.clouds.alibaba.sts.errors import RequestContext
from keywright.clouds.interfaces import Session, SessionOptions


async def open_session(
    identity: AlibabaAccessKey | AlibabaSts,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """Read the key from the Secret.

    Raises:
        Failure: the Secret, or a value in it, is missing, or the cloud does not accept the key.
    """
    is_session = isinstance(identity, AlibabaSts)
    way = "sts" if is_session else "accessKey"
    reject_session_options(ask, way=way)
    name, field = identity.secret_ref.name, f"{ROOT}.{way}.secretRef"
    session = await access_key_from_secret(
        name, field=field, source=source, context=context, needs_token=is_session
    )
    asking = RequestContext(fields={"": field}, secret=name)
    return await verify_identity(session, source=source, asking=asking, context=context)
