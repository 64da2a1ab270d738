"""Tries STS credentials: GetCallerIdentity, which needs no permission."""

from __future__ import annotations

from keywright.api.grant import Probe
from keywright.clouds.aws.errors import refusal_of_session
from keywright.clouds.aws.probes.request import ProbeContext
from keywright.clouds.interfaces import Session
from keywright.secrets.credential import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    Credential,
)


async def probe_identity(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Raises Failure unless STS of the credential's region knows it."""
    del probe
    values = credential.values
    session = Session(
        access_key_id=values[ACCESS_KEY_ID].reveal(),
        secret_access_key=values[SECRET_ACCESS_KEY],
        session_token=values.get(SESSION_TOKEN),
        issued_at=credential.issued_at,
        expires_at=credential.expires_at,
        identity="",
    )
    try:
        await context.calls.run(
            "sts",
            lambda client: client.get_caller_identity(),
            region=credential.region,
            tenant=context.tenant,
            session=session,
            attempts=1,
        )
    except Exception as error:
        raise refusal_of_session(error) from None
