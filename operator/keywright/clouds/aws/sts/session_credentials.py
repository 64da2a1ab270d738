"""STS credentials: the session itself is the key.

A grant without session options gets the source's session, which other grants share; with a duration
or a session policy it gets a separate session, shared by all grants with the same options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from keywright.api.durations import format_duration
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import SessionCredentials
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.place import Place
from keywright.clouds.aws.sts.sessions import explain_short_session
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


def permissions(keys: Sequence[tuple[SessionCredentials, Place]]) -> Iterator[dict[str, Any]]:
    """The role must allow what the session policy allows: a session has the intersection."""
    for key, _ in keys:
        for each in allowing(key.policy):
            yield {"Sid": "Session", **each}


def session_options(key: SessionCredentials, *, region: str) -> SessionOptions:
    """The session options of the grant."""
    del region
    return SessionOptions(
        seconds=key.duration_seconds,
        policy=key.policy,
        policy_arns=key.policy_arns,
        scoped=key.scoped_session,
    )


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
    region: str,
    account_id: str,
    context: AwsContext,
) -> IssuedKey:
    """Return the session's credentials, with a warning if they expire earlier than requested."""
    del grant, context
    # A role session: `validate_with_source` accepts no other.
    assert session.session_token is not None
    assert session.expires_at is not None
    credential = Credential(
        values={
            ACCESS_KEY_ID: Sensitive(session.access_key_id),
            SECRET_ACCESS_KEY: session.secret_access_key,
            SESSION_TOKEN: session.session_token,
        },
        region=region,
        account_id=account_id,
        key_id=session.access_key_id,
        issued_at=session.issued_at,
        expires_at=session.expires_at,
    )
    life = session.expires_at - session.issued_at
    requested = key.duration_seconds
    if requested is None or life + _SLACK >= timedelta(seconds=requested):
        return IssuedKey(credential)
    return IssuedKey(
        credential,
        f"It ends before the {format_duration(requested)} asked:"
        f" {explain_short_session(session, source=source)}",
    )
