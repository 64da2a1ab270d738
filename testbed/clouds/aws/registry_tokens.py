"""Issued tokens of CodeArtifact and ECR: for which access key, and until when."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clouds.clock import Clock


@dataclass(frozen=True, slots=True)
class RegistryToken:
    """A token that was issued to the holder of an access key, for one scope."""

    value: str = field(repr=False)
    access_key_id: str
    scope: tuple[str, ...]
    expires_at: float


class RegistryTokens:
    """The tokens of one service; an expired one stays known, so that it is reported as expired."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, RegistryToken] = {}
        self.limit_seconds: float | None = None

    def now(self) -> float:
        """The time by which tokens expire, as a Unix time."""
        return self._clock.now()

    def limit(self, *, seconds: float | None) -> None:
        """Let new tokens expire after that long, whatever is requested; None removes the limit."""
        self.limit_seconds = seconds

    def issue(
        self, value: str, *, access_key_id: str, scope: tuple[str, ...], expires_at: float
    ) -> RegistryToken:
        """Store a token, which expires after `limit_seconds` if that is set."""
        if self.limit_seconds is not None:
            expires_at = self._clock.now() + self.limit_seconds
        token = RegistryToken(value, access_key_id, scope, float(int(expires_at)))
        self._tokens[value] = token
        return token

    def find(self, value: str) -> RegistryToken | None:
        """The token with that value, expired or not."""
        return self._tokens.get(value)

    def is_expired(self, token: RegistryToken) -> bool:
        """Whether the token has expired."""
        return token.expires_at <= self._clock.now()

    def secrets(self) -> Iterator[str]:
        """The values of all tokens."""
        yield from self._tokens


def encrypted_token(*, issued_at: float, expires_at: float) -> str:
    """A token in the form of CodeArtifact's: JSON Web Encryption, five parts in base64url.

    Its header, as posted in ansible-collections/community.general#1171. [R]
    """
    header = {"ver": 1, "isu": int(issued_at), "enc": "A128GCM", "tag": _random(16)}
    header |= {"exp": int(expires_at), "alg": "A128GCMKW", "iv": _random(12)}
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return ".".join((first, _random(16), _random(12), _random(900), _random(16)))


def opaque_password(*, expires_at: float) -> str:
    """A password in the form of ECR's: JSON in base64, of about 2,700 characters.

    As posted in awslabs/amazon-ecr-credential-helper#63 and other reports, without its values. [U]
    """
    content = {
        "payload": base64.b64encode(secrets.token_bytes(1300)).decode(),
        "datakey": base64.b64encode(secrets.token_bytes(180)).decode(),
        "version": "2",
        "type": "DATA_KEY",
        "expiration": int(expires_at),
    }
    return base64.b64encode(json.dumps(content).encode()).decode()


def _random(length: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(length)).decode().rstrip("=")
