"""A bearer token from a Secret (Cloud Call Center), as an identity and as a key.

No service reports the owner or the expiry of a token. The watch of the Secret reports a new one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from keywright.api.alibaba_source import AlibabaBearer
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import BearerToken
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.alibaba.context import ROOT, AlibabaContext
from keywright.clouds.alibaba.credentials import BEARER_TOKEN, stored_value
from keywright.clouds.interfaces import (
    DEFAULT_OPTIONS,
    IssuedKey,
    Session,
    SessionOptions,
    whole_seconds,
)
from keywright.secrets.credential import API_KEY, Credential

_FIELD = f"{ROOT}.bearer.secretRef"


async def open_session(
    identity: AlibabaBearer,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """Read the token from the Secret.

    Raises:
        Failure: the Secret, or the token in it, is missing.
    """
    del ask  # bearerToken has no session options
    name = identity.secret_ref.name
    secret = await context.secrets.values(namespace=source.namespace, name=name, field=_FIELD)
    token = stored_value(secret, BEARER_TOKEN, secret=name, field=_FIELD)
    secret.check_copy(BEARER_TOKEN)
    # A token has no ID: the start of its hash distinguishes tokens without revealing them.
    digest = hashlib.sha256(token.reveal().encode()).hexdigest()[:12]
    return Session(
        access_key_id=f"sha256:{digest}",
        secret_access_key=Sensitive(""),
        session_token=None,
        issued_at=whole_seconds(context.clock()),
        expires_at=None,
        identity="",
        bearer=token,
    )


def session_options(key: BearerToken) -> SessionOptions:
    """The session options: none."""
    del key
    return DEFAULT_OPTIONS


def accepts_session(key: BearerToken, *, session: Session, now: datetime) -> bool:
    """Always: a token is used until its Secret changes."""
    del key, now
    return session.bearer is not None


async def mint(
    key: BearerToken,
    *,
    grant: ApiKeyGrant,
    source: CredentialSource,
    session: Session,
    account_id: str,
    context: AlibabaContext,
) -> IssuedKey:
    """Return the token, whose expiry is unknown."""
    del key, account_id, context
    # The source has a bearer token: `validate_with_source` accepts no other.
    assert session.bearer is not None
    credential = Credential(
        values={API_KEY: session.bearer},
        region=grant.region(source),
        account_id=None,
        key_id=session.access_key_id,
        issued_at=session.issued_at,
        expires_at=None,
        provider=Provider.ALIBABA_CLOUD,
    )
    return IssuedKey(
        credential,
        "Its expiry is unknown, and it is written again when that of CredentialSource"
        f" {grant.source_key[1]} changes.",
    )
