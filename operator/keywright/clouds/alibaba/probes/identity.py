"""Tries session credentials: GetCallerIdentity, which needs no permission."""

from __future__ import annotations

from keywright.clouds.alibaba.errors import RequestContext, refusal
from keywright.clouds.alibaba.identities.context import AlibabaContext
from keywright.clouds.alibaba.sts import Endpoint, StsError
from keywright.clouds.interfaces import Session
from keywright.secrets.credential import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    Credential,
)


async def probe_identity(credential: Credential, *, at: Endpoint, context: AlibabaContext) -> None:
    """Raises Failure unless STS knows the credential."""
    values = credential.values
    token = values[SESSION_TOKEN]
    session = Session(
        access_key_id=values[ACCESS_KEY_ID].reveal(),
        secret_access_key=values[SECRET_ACCESS_KEY],
        session_token=token if token.reveal() else None,
        issued_at=credential.issued_at,
        expires_at=credential.expires_at,
        identity="",
    )
    try:
        await context.sts.caller(session, at=at)
    except StsError as error:
        raise refusal(error, RequestContext(fields={"": "spec.probe"})) from None
