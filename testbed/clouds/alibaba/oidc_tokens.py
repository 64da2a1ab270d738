"""Tokens of AssumeRoleWithOIDC: verified with the keys that the provider's issuer publishes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.clouds import issuer_keys
from testbed.clouds.alibaba import refusals
from testbed.clouds.issuer_keys import (
    BadSignatureError,
    IssuerKeys,
    NoKeyError,
    NotATokenError,
    UntrustedIssuerError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.clouds.alibaba.accounts import Accounts, IdentityProvider
    from testbed.clouds.clock import Clock

_SHORTEST, _LONGEST = 4, 20_000
_PROVIDER_ARN = re.compile(r"acs:ram::\d+:oidc-provider/[\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """The claims of a valid token, and the provider that verified it."""

    provider: IdentityProvider
    subject: str
    audiences: tuple[str, ...]
    issued_at: float
    expires_at: float

    def context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys for a trust policy."""
        return {
            "oidc:iss": (self.provider.issuer,),
            "oidc:aud": self.audiences,
            "oidc:sub": (self.subject,),
        }


class OidcTokens:
    """Verifies tokens.

    `seen` are all received tokens, valid or not, for tests that search for leaked tokens.
    """

    def __init__(self, *, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._keys = IssuerKeys()
        self.seen: set[str] = set()

    def trust(self, provider: IdentityProvider, *, ca_file: Path | None) -> None:
        """Use this CA, None for the system's, to reach the provider; forgets its keys."""
        self._keys.trust(provider.arn, ca_file=ca_file)

    async def verify(self, token: str, *, provider_arn: str) -> Identity:
        """The identity in the token; raises CloudError with the messages of STS."""
        self.seen.add(token)
        if not _PROVIDER_ARN.fullmatch(provider_arn):
            raise refusals.oidc_provider_malformed()
        provider = self._accounts.provider(provider_arn)
        if provider is None:
            raise refusals.no_oidc_provider()
        if not _SHORTEST <= len(token) <= _LONGEST:
            raise refusals.invalid_parameter("OIDCToken")
        header, claims = _parse(token)
        if claims["iss"] != provider.issuer:
            raise refusals.oidc_issuer()
        try:
            await self._keys.verify(
                token, header=header, provider=provider.arn, issuer=provider.issuer
            )
        except UntrustedIssuerError as error:
            raise refusals.oidc_url_invalid() from error
        except NoKeyError as error:
            raise refusals.oidc_issuer_broken(provider.issuer) from error
        except BadSignatureError as error:
            raise refusals.oidc_signature_invalid() from error
        if claims["exp"] <= self._clock.now():
            raise refusals.oidc_token_expired()
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        known = tuple(one for one in audiences if one in provider.client_ids)
        if not known:
            raise refusals.oidc_audience()
        return Identity(
            provider=provider,
            subject=str(claims["sub"]),
            audiences=known,
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
        )


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        header, claims = issuer_keys.parse(token)
    except NotATokenError as error:
        raise refusals.oidc_token_invalid() from error
    times = (claims.get("exp"), claims.get("iat"))
    if not all(isinstance(time, int | float) for time in times):
        raise refusals.oidc_token_invalid()
    if not all(claims.get(name) for name in ("iss", "aud", "sub")):
        raise refusals.oidc_token_invalid()
    return header, claims
