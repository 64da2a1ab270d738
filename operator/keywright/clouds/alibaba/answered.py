"""Credentials as metadata services and credentials URIs answer with them. Pure."""

from __future__ import annotations

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.api.times import parse_time
from keywright.clouds.alibaba.sts import Issued


class _Answer(msgspec.Struct, rename="pascal"):
    code: str
    access_key_id: str
    access_key_secret: str
    security_token: str
    expiration: str


def read_credentials(body: bytes) -> Issued | None:
    """What the body says; None where it has not the documented shape, or says no success."""
    try:
        found = msgspec.json.decode(body, type=_Answer)
        expires_at = parse_time(found.expiration)
    except (msgspec.MsgspecError, ValueError):
        return None
    if found.code != "Success" or not found.access_key_id or not found.access_key_secret:
        return None
    return Issued(
        access_key_id=found.access_key_id,
        secret=Sensitive(found.access_key_secret),
        token=Sensitive(found.security_token) if found.security_token else None,
        expires_at=expires_at,
    )
