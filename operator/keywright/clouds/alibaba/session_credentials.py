"""STS credentials: the session itself is the key; static credentials are copied unchanged.

A grant without session options gets the source's session, which other grants share; with a duration
or a session policy it gets a separate session, shared by all grants with the same options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from keywright.api.durations import format_duration
from keywright.api.formats import Format
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import SessionCredentials
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.alibaba.context import AlibabaContext, endpoint_of
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, refusal
from keywright.clouds.interfaces import IssuedKey, Session, SessionOptions
from keywright.clouds.policy_statements import allowing
from keywright.planning.renewal import is_fresh
from keywright.secrets.credential import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    Credential,
)

# Time that STS subtracts for its own processing; too little to be reported.
_SLACK = timedelta(seconds=60)


def session_options(key: SessionCredentials) -> SessionOptions:
    """The session options of the grant."""
    return SessionOptions(seconds=key.duration_seconds, policy=key.policy)


def accepts_session(key: SessionCredentials, *, session: Session, now: datetime) -> bool:
    """Whether a cached session may be used for the key: it must be fresh."""
    del key
    return is_fresh(issued_at=session.issued_at, expires_at=session.expires_at, now=now)


async def mint(
    key: SessionCredentials,
    *,
    grant: ApiKeyGrant,
    source: CredentialSource,
    session: Session,
    account_id: str,
    context: AlibabaContext,
) -> IssuedKey:
    """Return the session's credentials, with a warning if their expiry is not as requested.

    Raises:
        Failure: they are from a Secret in another namespace, which does not consent.
    """
    del context
    if session.not_shared is not None and grant.namespace != grant.source_key[0]:
        refusal = session.not_shared()
        if refusal is not None:
            raise refusal
    credential = Credential(
        values={
            ACCESS_KEY_ID: Sensitive(session.access_key_id),
            SECRET_ACCESS_KEY: session.secret_access_key,
            SESSION_TOKEN: session.session_token or Sensitive(""),
        },
        region=grant.region(source),
        account_id=account_id or None,
        key_id=session.access_key_id,
        issued_at=session.issued_at,
        expires_at=session.expires_at,
        provider=Provider.ALIBABA_CLOUD,
    )
    return IssuedKey(credential, _warning(key, grant=grant, session=session))


def _warning(key: SessionCredentials, *, grant: ApiKeyGrant, session: Session) -> str:
    parts = (
        _expiry_warning(key, grant=grant, session=session),
        _file_warning(grant, session=session),
    )
    return " ".join(filter(None, parts))


def _file_warning(grant: ApiKeyGrant, *, session: Session) -> str:
    """A warning for a file that some SDKs cannot read."""
    if session.session_token is None or Format.ALIBABA_CREDENTIALS_FILE not in grant.formats:
        return ""
    return (
        "The SDK for Python reads no session from the file of AlibabaCredentialsFile: for its"
        " readers use AlibabaEnv, AlibabaCliConfig or AlibabaCredentialsUri."
    )


def _expiry_warning(key: SessionCredentials, *, grant: ApiKeyGrant, session: Session) -> str:
    source = f"CredentialSource {grant.source_key[1]}"
    if session.expires_at is None:
        end = "no end"
        if session.session_token is not None:
            end = "an end that Alibaba Cloud does not report, after which they stop working"
        return f"They have {end}, and are written again when those of {source} change."
    life, requested = session.expires_at - session.issued_at, key.duration_seconds
    if requested is None or life + _SLACK >= timedelta(seconds=requested):
        return ""
    return (
        f"They end before the {format_duration(requested)} asked: the session lasts"
        f" {format_duration(life.total_seconds())}."
        " Raise the role's maximum session duration in RAM."
    )


def permissions(keys: Sequence[SessionCredentials]) -> Iterator[dict[str, Any]]:
    """What the session policies of the keys allow."""
    for key in keys:
        yield from allowing(key.policy)


async def probe_identity(
    grant: ApiKeyGrant,
    *,
    credential: Credential,
    source: CredentialSource,
    context: AlibabaContext,
) -> None:
    """Call GetCallerIdentity, which needs no permission; raises Failure if STS refuses."""
    del grant
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
        await context.sts.caller(session, at=endpoint_of(source))
    except StsError as error:
        raise refusal(error, RequestContext(fields={"": "spec.probe"})) from None
