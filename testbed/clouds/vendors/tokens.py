"""The access tokens that the vendors have issued."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.clouds.clock import Clock
    from testbed.clouds.wire import Request

_BEARER = "Bearer "
OAUTH_BETA = "oauth-2025-04-20"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token: who it acts as, and when it ends."""

    vendor: str
    principal: str
    expires_at: float


class AccessTokens:
    """Issues tokens, and finds them again; `limit_seconds` limits all that are issued."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, AccessToken] = {}
        self._revoked: set[str] = set()
        self.limit_seconds: float | None = None

    def issue(self, vendor: str, *, prefix: str, principal: str, seconds: float) -> tuple[str, int]:
        """A new token, and the seconds for which it is valid."""
        if self.limit_seconds is not None:
            seconds = min(seconds, self.limit_seconds)
        whole = max(1, math.floor(seconds))
        token = f"{prefix}{secrets.token_urlsafe(48)}"
        self._tokens[token] = AccessToken(vendor, principal, self._clock.now() + whole)
        return token, whole

    def find(self, vendor: str, token: str) -> AccessToken | None:
        """A valid token of the vendor."""
        found = self._tokens.get(token)
        if found is None or found.vendor != vendor or token in self._revoked:
            return None
        return found if self._clock.now() < found.expires_at else None

    def has_ended(self, token: str) -> bool:
        """Whether the token was issued, and has expired since."""
        found = self._tokens.get(token)
        return found is not None and self._clock.now() >= found.expires_at

    def revoke_all(self) -> None:
        """Revoke all tokens, as a vendor does when an account is disabled."""
        self._revoked.update(self._tokens)

    def values(self) -> list[str]:
        """All issued tokens."""
        return [*self._tokens]


def bearer_of(request: Request) -> str:
    """The bearer token of a request; empty without one."""
    header = request.header("authorization") or ""
    return header.removeprefix(_BEARER) if header.startswith(_BEARER) else ""
