"""A bearer token out of a Secret (Cloud Call Center): handed on as it is.

No service tells whose it is or when it ends; a new one in the Secret is noticed by its watch.
"""

from __future__ import annotations

import hashlib

from keywright.api.alibaba_source import AlibabaBearer
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.identities.context import ROOT, AlibabaContext
from keywright.clouds.alibaba.identities.key_material import BEARER_TOKEN, stored_value
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds

_FIELD = f"{ROOT}.bearer.secretRef"


async def open_session(
    identity: AlibabaBearer,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """The token as the Secret has it now.

    Raises:
        Failure: the Secret, or the token in it, is missing.
    """
    del ask  # bearerToken asks for nothing
    name = identity.secret_ref.name
    secret = await context.secrets.values(namespace=source.namespace, name=name, field=_FIELD)
    token = stored_value(secret, BEARER_TOKEN, secret=name, field=_FIELD)
    secret.check_copy(BEARER_TOKEN)
    # A token has no id: the beginning of its hash tells one from another, and nothing of it.
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
