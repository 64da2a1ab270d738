"""Credentials in responses of metadata services and credentials URIs. Pure."""

from __future__ import annotations

import msgspec

from keywright.api.errors import Failure
from keywright.clouds.alibaba.sts.client import TemporaryCredentials
from keywright.clouds.answer_values import (
    ALIBABA_KEY_ID,
    ALIBABA_SECRET,
    ALIBABA_TOKEN,
    parsed_moment,
    secret,
    text,
)


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
