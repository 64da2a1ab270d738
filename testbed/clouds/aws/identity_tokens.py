"""Web identity tokens: verified like STS does, with the keys that the issuer publishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.clouds import issuer_keys
from testbed.clouds.aws import refusals
from testbed.clouds.issuer_keys import (
    BadSignatureError,
    IssuerKeys,
    NoKeyError,
    NotATokenError,
    UntrustedIssuerError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.clouds.aws.accounts import Accounts, IdentityProvider
    from testbed.clouds.clock import Clock

_NOT_A_TOKEN = (
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"  # noqa: S105  AWS's message
)
_SKEW_SECONDS = 300
_OLDEST_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Identity:
    """The claims of a valid token, and the provider that verified it."""

    provider: IdentityProvider
    subject: str
    audience: str


class IdentityTokens:
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

    async def verify(self, token: str, *, account: str) -> Identity:
        """The identity in the token; raises CloudError with the messages of STS."""
        self.seen.add(token)
        header, claims = _parse(token)
        for name in ("iss", "aud", "sub", "exp", "iat"):
            if not claims.get(name):
                raise refusals.invalid_identity_token(f"Missing a required claim: {name}")
        for name in ("exp", "iat", "nbf"):
            if not isinstance(claims.get(name, 0), int | float):
                raise refusals.invalid_identity_token(_NOT_A_TOKEN)
        issuer = str(claims["iss"])
        provider = self._accounts.provider(account=account, issuer=issuer)
        if provider is None:
            raise refusals.no_provider(issuer)
        audience = _audience(claims, provider=provider)
        await self._check_signature(token, header=header, provider=provider)
        now = self._clock.now()
        if int(claims["exp"]) <= now:
            raise refusals.identity_token_expired(now=now, expired=int(claims["exp"]))
        if float(claims["iat"]) < now - _OLDEST_SECONDS:
            raise refusals.identity_token_too_old(issued=int(claims["iat"]))
        if float(claims.get("nbf", claims["iat"])) > now + _SKEW_SECONDS:
            raise refusals.token_not_validated()
        return Identity(provider=provider, subject=str(claims["sub"]), audience=audience)

    async def _check_signature(
        self, token: str, *, header: dict[str, Any], provider: IdentityProvider
    ) -> None:
        try:
            await self._keys.verify(
                token, header=header, provider=provider.arn, issuer=provider.issuer
            )
        except UntrustedIssuerError as error:
            raise refusals.thumbprint_mismatch() from error
        except NoKeyError as error:
            raise refusals.no_verification_key() from error
        except BadSignatureError as error:
            raise refusals.token_not_validated() from error


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return issuer_keys.parse(token)
    except NotATokenError as error:
        raise refusals.invalid_identity_token(_NOT_A_TOKEN) from error


def _audience(claims: dict[str, Any], *, provider: IdentityProvider) -> str:
    """The relevant audience: `azp` if the token has one, as in the IAM user guide."""
    listed = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    candidates = [claims["azp"]] if claims.get("azp") else listed
    for audience in candidates:
        if audience in provider.client_ids:
            return str(audience)
    raise refusals.invalid_identity_token("Incorrect token audience")
