"""What all exchanges of tokens have in common."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from keywright.api.source import CredentialSource
from keywright.api.token_exchange_source import TokenExchangeSource
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.endpoints import AllowedUris
from keywright.clouds.http import HttpClient, Timeouts
from keywright.clouds.interfaces import RequestObserver, TokenSource
from keywright.clouds.rate_limit import AdaptiveRateLimiter
from keywright.clouds.sessions import Clock

ROOT: Final = "CredentialSource spec.tokenExchange"
LIMITS: Final = Timeouts(connect_seconds=10.0, read_seconds=10.0)


@dataclass(frozen=True, slots=True)
class TokenExchangeContext:
    """All external dependencies of an exchange; `endpoints` are those that flags allow.

    `rate_limiter` has the rate of each vendor's host, and of each source with another endpoint.
    """

    tokens: TokenSource
    http: HttpClient
    clock: Clock
    endpoints: AllowedUris
    skews: ClockSkews | None = None
    observe: RequestObserver | None = None
    min_lifetime: timedelta = timedelta(0)
    rate_limiter: AdaptiveRateLimiter = field(
        default_factory=lambda: AdaptiveRateLimiter(clock=time.monotonic)
    )


def exchange_of(source: CredentialSource) -> TokenExchangeSource:
    """The token exchange of the source."""
    assert source.spec.token_exchange is not None
    return source.spec.token_exchange
