"""Web identity tokens: verified as STS does it, with the keys that the issuer publishes.

The emulator fetches the discovery document and the JWKS itself (OpenID Connect Discovery 1.0), so
an issuer that AWS could not reach is refused here as well.
"""

from __future__ import annotations

import base64
import binascii
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from testbed.clouds.aws import refusals

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.clouds.aws.accounts import Accounts, IdentityProvider
    from testbed.clouds.aws.clock import Clock

_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
_NOT_A_TOKEN = (
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"  # noqa: S105  AWS's words
)
_FETCH_TIMEOUT = aiohttp.ClientTimeout(total=5)
_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Identity:
    """What a good token says, and the provider that vouches for it."""

    provider: IdentityProvider
    subject: str
    audience: str


class IdentityTokens:
    """Verifies tokens; keeps each issuer's keys until a token names one that is not among them.

    `seen` are the tokens that came, good or bad, for tests that look for them where none may be.
    """

    def __init__(self, *, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._trusted: dict[str, ssl.SSLContext] = {}
        self._keys: dict[str, dict[str | None, dict[str, Any]]] = {}
        self.seen: set[str] = set()

    def trust(self, provider: IdentityProvider, *, ca_file: Path | None) -> None:
        """Use this CA, None for the system's, to reach the provider; forgets its keys."""
        self._trusted[provider.arn] = ssl.create_default_context(
            cafile=None if ca_file is None else str(ca_file)
        )
        self._keys.pop(provider.arn, None)

    async def verify(self, token: str, *, account: str) -> Identity:
        """The identity in the token; raises AwsError in STS's words."""
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
        if float(claims.get("nbf", claims["iat"])) > now + _SKEW_SECONDS:
            raise refusals.token_not_validated()
        return Identity(provider=provider, subject=str(claims["sub"]), audience=audience)

    async def _check_signature(
        self, token: str, *, header: dict[str, Any], provider: IdentityProvider
    ) -> None:
        key = await self._key(provider, key_id=header.get("kid"))
        try:
            jws.deserialize_compact(
                token, KeySet.import_key_set({"keys": [key]}), algorithms=_ALGORITHMS
            )
        except (JoseError, ValueError) as error:
            raise refusals.token_not_validated() from error

    async def _key(self, provider: IdentityProvider, *, key_id: str | None) -> dict[str, Any]:
        keys = self._keys.get(provider.arn, {})
        if key_id not in keys:
            try:
                keys = await self._fetch(provider)
            except (TimeoutError, aiohttp.ClientError, ValueError, KeyError) as error:
                raise refusals.no_verification_key() from error
            self._keys[provider.arn] = keys
        if key_id not in keys:
            raise refusals.no_verification_key()
        return keys[key_id]

    async def _fetch(self, provider: IdentityProvider) -> dict[str | None, dict[str, Any]]:
        context = self._trusted.get(provider.arn) or ssl.create_default_context()
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, timeout=_FETCH_TIMEOUT) as http:
            address = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            discovery = await _get(http, address)
            if discovery["issuer"] != provider.issuer:
                raise ValueError(f"the document names the issuer {discovery['issuer']}")
            keys = await _get(http, discovery["jwks_uri"])
        return {key.get("kid"): key for key in keys["keys"]}


async def _get(http: aiohttp.ClientSession, address: str) -> dict[str, Any]:
    async with http.get(address, raise_for_status=True) as answer:
        # kube-apiserver serves the JWKS as application/jwk-set+json
        content = await answer.json(content_type=None)
    if not isinstance(content, dict):
        raise ValueError(f"{address} is not a JSON object")  # noqa: TRY004  told as a bad document
    return content


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        header, claims = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            for part in token.split(".")[:2]
        )
    except (ValueError, binascii.Error) as error:
        raise refusals.invalid_identity_token(_NOT_A_TOKEN) from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or token.count(".") != 2:
        raise refusals.invalid_identity_token(_NOT_A_TOKEN)
    return header, claims


def _audience(claims: dict[str, Any], *, provider: IdentityProvider) -> str:
    """The audience that counts: `azp` where the token has one, as the IAM user guide says."""
    listed = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    candidates = [claims["azp"]] if claims.get("azp") else listed
    for audience in candidates:
        if audience in provider.client_ids:
            return str(audience)
    raise refusals.invalid_identity_token("Incorrect token audience")
