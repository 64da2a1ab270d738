"""STS credentials: the session itself is the key.

A grant that asks for nothing of its own is given the source's session, which other grants share; a
duration or a session policy makes a session of its own, shared by all grants that ask the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.durations import format_duration
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import SessionCredentials
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.sts.sessions import explain_short_session
from keywright.clouds.interfaces import IssuedKey, Session, SessionOptions
from keywright.planning.renewal import is_fresh
from keywright.secrets.credential import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    Credential,
)

# What STS counts off for its own work; no shortening worth a word.
_SLACK = timedelta(seconds=60)


def session_options(key: SessionCredentials) -> SessionOptions:
    """What the grant wants of its session."""
    return SessionOptions(
        seconds=key.duration_seconds, policy=key.policy, policy_arns=key.policy_arns
    )


def accepts_session(key: SessionCredentials, *, session: Session, now: datetime) -> bool:
    """Whether a cached session may be handed on: it must not be old already."""
    del key
    return is_fresh(issued_at=session.issued_at, expires_at=session.expires_at, now=now)


def mint(
    key: SessionCredentials,
    *,
    grant: ApiKeyGrant,
    session: Session,
    region: str,
    account_id: str,
    now: datetime,
) -> IssuedKey:
    """The session's credentials; a remark says so where it ends sooner than was asked."""
    del now
    # Of a role: pair_problems lets no other through.
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
        f" {explain_short_session(session, source=grant.source_key[1])}",
    )
