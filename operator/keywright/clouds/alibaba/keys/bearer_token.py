"""The bearer token of a source, handed on."""

from __future__ import annotations

from datetime import datetime

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import BearerToken
from keywright.api.source import Provider
from keywright.clouds.interfaces import DEFAULT_OPTIONS, IssuedKey, Session, SessionOptions
from keywright.secrets.credential import API_KEY, Credential


def session_options(key: BearerToken) -> SessionOptions:
    """Nothing."""
    del key
    return DEFAULT_OPTIONS


def accepts_session(key: BearerToken, *, session: Session, now: datetime) -> bool:
    """A token that was read stays until its Secret changes."""
    del key, now
    return session.bearer is not None


def mint(
    key: BearerToken,
    *,
    grant: ApiKeyGrant,
    session: Session,
    region: str,
    account_id: str,
) -> IssuedKey:
    """The token; nobody tells its end."""
    del key, account_id
    # Of a source with a bearer token: pair_problems lets no other through.
    assert session.bearer is not None
    credential = Credential(
        values={API_KEY: session.bearer},
        region=region,
        account_id=None,
        key_id=session.access_key_id,
        issued_at=session.issued_at,
        expires_at=None,
        provider=Provider.ALIBABA_CLOUD,
    )
    return IssuedKey(
        credential,
        "Its end is told by nobody, and it is written again when that of CredentialSource"
        f" {grant.source_key[1]} changes.",
    )
