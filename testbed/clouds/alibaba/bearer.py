"""Bearer tokens, as issued by a service with its own sign-in (Cloud Call Center)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.clouds.alibaba import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clouds.clock import Clock


@dataclass(frozen=True, slots=True)
class _Issued:
    account: str
    expires_at: float


class BearerTokens:
    """All issued tokens."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._issued: dict[str, _Issued] = {}

    def create(self, *, account: str, seconds: float) -> str:
        """Issue a token for an account, valid for that long."""
        token = secrets.token_urlsafe(96)
        self._issued[token] = _Issued(account, self._clock.now() + seconds)
        return token

    def account(self, token: str) -> str:
        """The account of the token; raises CloudError if it is unknown or expired."""
        issued = self._issued.get(token)
        if issued is None or issued.expires_at <= self._clock.now():
            raise refusals.bearer_token_refused()
        return issued.account

    def secrets(self) -> Iterator[str]:
        """Every token."""
        yield from self._issued
