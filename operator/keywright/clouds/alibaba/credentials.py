"""Credentials of Alibaba Cloud: from Secrets, and from the responses of servers that issue them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from keywright.api import alibaba_source
from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import AlibabaContext
from keywright.clouds.alibaba.sts.client import TemporaryCredentials
from keywright.clouds.answer_values import (
    ALIBABA_KEY_ID,
    ALIBABA_SECRET,
    ALIBABA_STORED_KEY_ID,
    ALIBABA_TOKEN,
    BEARER,
    Form,
    parsed_moment,
    secret,
    stored,
    text,
)
from keywright.clouds.interfaces import Session, whole_seconds
from keywright.secrets.references import ReferencedSecret

ID, SECRET = alibaba_source.ALIBABA_ID, alibaba_source.ALIBABA_SECRET
TOKEN, BEARER_TOKEN = alibaba_source.ALIBABA_TOKEN, alibaba_source.ALIBABA_BEARER
_FORMS: Final[Mapping[str, Form]] = {
    ID: ALIBABA_STORED_KEY_ID,
    SECRET: ALIBABA_SECRET,
    TOKEN: ALIBABA_TOKEN,
    BEARER_TOKEN: BEARER,
}


async def access_key_from_secret(
    name: str,
    *,
    field: str,
    source: CredentialSource,
    context: AlibabaContext,
    needs_token: bool = False,
) -> Session:
    """Read the key from the Secret, with its security token if it has one.

    The expiry of such a key is unknown, and the key is not verified yet.

    Raises:
        Failure: the Secret, or a value in it, is missing.
    """
    found = await context.secrets.values(namespace=source.namespace, name=name, field=field)
    token = stored_value(found, TOKEN, secret=name, field=field) if needs_token else None
    optional = (found.find(TOKEN) or Sensitive("")).reveal().strip()
    if optional:
        # The key only signs and is not sent; its token is part of each request.
        found.check_copy(TOKEN)
        token = token or stored_value(found, TOKEN, secret=name, field=field)
    return Session(
        access_key_id=stored_value(found, ID, secret=name, field=field).reveal(),
        secret_access_key=stored_value(found, SECRET, secret=name, field=field),
        session_token=token,
        issued_at=whole_seconds(context.clock()),
        expires_at=None,
        identity="",
        not_shared=found.consent(SECRET),
    )


def stored_value(found: ReferencedSecret, key: str, *, secret: str, field: str) -> Sensitive:
    """A value without a trailing newline, which editors often add; raises Failure."""
    text = (found.find(key) or Sensitive("")).reveal().strip()
    if not text:
        raise Failure(
            f"Secret {secret} has no {key}.",
            kind=FailureClass.CONFIGURATION,
            reason="SecretIncomplete",
            field=field,
            remedy=f"Put {key} into it.",
        )
    if key in _FORMS:
        stored(text, _FORMS[key], secret_name=secret, key=key, field=field)
    return Sensitive(text)


class _Answer(msgspec.Struct, rename="pascal"):
    code: str
    access_key_id: str
    access_key_secret: str
    security_token: str
    expiration: str


def parse_credentials(body: bytes) -> TemporaryCredentials | None:
    """Parse a response body; None if its structure is not as documented, or it reports an error."""
    try:
        found = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, ValueError):
        return None
    if found.code != "Success":
        return None
    try:
        return TemporaryCredentials(
            access_key_id=text(found.access_key_id, ALIBABA_KEY_ID),
            secret=secret(found.access_key_secret, ALIBABA_SECRET),
            token=secret(found.security_token, ALIBABA_TOKEN) if found.security_token else None,
            expires_at=parsed_moment(found.expiration, what="Expiration"),
        )
    except Failure:
        return None
