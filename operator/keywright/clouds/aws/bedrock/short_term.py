"""Amazon Bedrock short-term API keys: signed locally by AWS's own library, without a call.

The key is a presigned request (SigV4). It expires with the session that signed it, or after its own
duration, twelve hours at most; the library does not return the expiry, so it is computed here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from keywright.api.durations import format_duration
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import BedrockShortTermKey
from keywright.api.partitions import partition_of
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.sts.sessions import explain_short_session
from keywright.clouds.interfaces import (
    DEFAULT_OPTIONS,
    IssuedKey,
    Session,
    SessionOptions,
    whole_seconds,
)
from keywright.planning.renewal import session_may_sign
from keywright.secrets.credential import Credential

if TYPE_CHECKING:
    from collections.abc import Callable

# Time that STS subtracts for its own processing; too little to be reported.
_SLACK = timedelta(seconds=60)


def session_options(key: BedrockShortTermKey, *, region: str) -> SessionOptions:
    """Without limits, the source's own session signs; with limits, one that has them."""
    if not key.session_policies:
        return DEFAULT_OPTIONS
    return SessionOptions(
        policy=key.policy_in(partition_of(region).id),
        policy_arns=key.policy_arns,
        scoped=key.scoped_session,
    )


def accepts_session(key: BedrockShortTermKey, *, session: Session, now: datetime) -> bool:
    """Whether the cached session may sign the key: it must be fresh."""
    return session_may_sign(
        session_issued_at=session.issued_at,
        session_expires_at=session.expires_at,
        key_ends_at=now + _duration(key),
        now=now,
    )


def mint(
    key: BedrockShortTermKey,
    *,
    grant: ApiKeyGrant,
    session: Session,
    region: str,
    account_id: str,
    now: datetime,
) -> IssuedKey:
    """Issue a key signed by the session, with a warning if the session shortens it."""
    requested = _duration(key)
    issued_at = whole_seconds(now)
    ends_at = issued_at + requested
    if session.expires_at is not None:
        ends_at = min(ends_at, session.expires_at)
    credential = Credential(
        values={"apiKey": sign(session, region=region, lifetime=requested)},
        region=region,
        account_id=account_id,
        key_id=session.access_key_id,
        issued_at=issued_at,
        expires_at=ends_at,
    )
    return IssuedKey(
        credential, _warning(key, grant=grant, session=session, asked_end=issued_at + requested)
    )


def sign(session: Session, *, region: str, lifetime: timedelta) -> Sensitive:
    """Sign a new API key, which expires with the session at the latest."""
    token = _provide_token()(
        region=region, aws_credentials_provider=_Fixed(session), expiry=lifetime
    )
    return Sensitive(token)


def _warning(
    key: BedrockShortTermKey, *, grant: ApiKeyGrant, session: Session, asked_end: datetime
) -> str:
    if session.expires_at is None:
        return _end_is_unknown(session, source=grant.source_key[1])
    # A shared session that is a little older lasts as long as it can: nothing to change.
    lasts = session.expires_at - session.issued_at
    if asked_end <= session.expires_at or lasts + _SLACK >= _duration(key):
        return ""
    return (
        "It ends with the session that signed it, before the"
        f" {format_duration(key.duration_seconds)} asked:"
        f" {explain_short_session(session, source=grant.source_key[1])}"
    )


def _duration(key: BedrockShortTermKey) -> timedelta:
    return timedelta(seconds=key.duration_seconds)


class _Fixed:
    """The session as a credential provider of botocore."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def load(self) -> Any:
        from botocore.credentials import Credentials  # noqa: PLC0415  imported after start-up

        token = self._session.session_token
        return Credentials(
            self._session.access_key_id,
            self._session.secret_access_key.reveal(),
            token.reveal() if token else None,
        )


@cache
def _provide_token() -> Callable[..., str]:
    from aws_bedrock_token_generator import (  # noqa: PLC0415  imports botocore, after start-up
        provide_token,
    )

    return provide_token  # type: ignore[no-any-return]  # published without types


def _end_is_unknown(session: Session, *, source: str) -> str:
    """A warning for a session token from a Secret; a bare access key does not expire."""
    if session.session_token is None:
        return ""
    return (
        f"It ends with the session token that CredentialSource {source} has from its Secret, if"
        " that ends first; AWS does not tell when."
    )
