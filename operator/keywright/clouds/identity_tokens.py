"""The claims of a ServiceAccount token, for messages when the cloud rejects it."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from keywright.api.sensitive import Sensitive


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """The claims of a token; none of them is secret."""

    issuer: str
    audience: str
    subject: str

    def describe(self) -> str:
        """A description for messages."""
        return f"iss={self.issuer}, aud={self.audience}, sub={self.subject}"


def token_facts(token: Sensitive) -> TokenFacts:
    """Issuer, audience and subject of a JWT; empty if it is not one."""
    try:
        payload = token.reveal().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        claims = None
    if not isinstance(claims, dict):
        claims = {}
    audience = claims.get("aud", "")
    return TokenFacts(
        issuer=str(claims.get("iss", "")),
        audience=",".join(audience) if isinstance(audience, list) else str(audience),
        subject=str(claims.get("sub", "")),
    )
