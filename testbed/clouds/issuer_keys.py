"""The keys of OpenID Connect issuers, and tokens verified with them.

A cloud fetches the discovery document and the JWKS itself (OpenID Connect Discovery 1.0), so an
unreachable issuer is rejected here as well.
"""

from __future__ import annotations

import base64
import binascii
import json
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

if TYPE_CHECKING:
    from pathlib import Path

_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
_FETCH_TIMEOUT = aiohttp.ClientTimeout(total=5)


class NoKeyError(Exception):
    """The issuer or its JWKS is unreachable, or has no key with the token's ID."""


class UntrustedIssuerError(NoKeyError):
    """The certificate of the issuer is not the one that the cloud trusts."""


class BadSignatureError(Exception):
    """The token was not signed with the issuer's key."""


class NotATokenError(ValueError):
    """The text is not a JWT."""


class IssuerKeys:
    """Caches each issuer's keys until a token names an unknown one.

    `provider` is the cloud's name of the issuer, an ARN.
    """

    def __init__(self) -> None:
        self._trusted: dict[str, ssl.SSLContext] = {}
        self._keys: dict[str, dict[str | None, dict[str, Any]]] = {}

    def trust(self, provider: str, *, ca_file: Path | None) -> None:
        """Use this CA, None for the system's, to reach the provider; forgets its keys."""
        self._trusted[provider] = ssl.create_default_context(
            cafile=None if ca_file is None else str(ca_file)
        )
        self._keys.pop(provider, None)

    async def verify(
        self, token: str, *, header: dict[str, Any], provider: str, issuer: str
    ) -> None:
        """Verify the signature; raises NoKeyError or BadSignatureError."""
        key = await self._key(provider, issuer=issuer, key_id=header.get("kid"))
        try:
            jws.deserialize_compact(
                token, KeySet.import_key_set({"keys": [key]}), algorithms=_ALGORITHMS
            )
        except (JoseError, ValueError) as error:
            raise BadSignatureError(issuer) from error

    async def _key(self, provider: str, *, issuer: str, key_id: str | None) -> dict[str, Any]:
        keys = self._keys.get(provider, {})
        if key_id not in keys:
            try:
                keys = await self._fetch(provider, issuer=issuer)
            except aiohttp.ClientConnectorCertificateError as error:
                raise UntrustedIssuerError(issuer) from error
            except (TimeoutError, aiohttp.ClientError, ValueError, KeyError) as error:
                raise NoKeyError(issuer) from error
            self._keys[provider] = keys
        if key_id not in keys:
            raise NoKeyError(issuer)
        return keys[key_id]

    async def _fetch(self, provider: str, *, issuer: str) -> dict[str | None, dict[str, Any]]:
        context = self._trusted.get(provider) or ssl.create_default_context()
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, timeout=_FETCH_TIMEOUT) as http:
            discovery = await _get(http, issuer.rstrip("/") + "/.well-known/openid-configuration")
            if discovery["issuer"] != issuer:
                raise ValueError(f"the document names the issuer {discovery['issuer']}")
            keys = await _get(http, discovery["jwks_uri"])
        return {key.get("kid"): key for key in keys["keys"]}


def parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, not verified; raises NotATokenError."""
    try:
        header, claims = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            for part in token.split(".")[:2]
        )
    except (ValueError, binascii.Error) as error:
        raise NotATokenError("no base64 of JSON") from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or token.count(".") != 2:
        raise NotATokenError("not three parts, or no objects")
    return header, claims


async def _get(http: aiohttp.ClientSession, address: str) -> dict[str, Any]:
    async with http.get(address, raise_for_status=True) as answer:
        # kube-apiserver serves the JWKS as application/jwk-set+json
        content = await answer.json(content_type=None)
    if not isinstance(content, dict):
        raise ValueError(f"{address} is not a JSON object")  # noqa: TRY004  reported as an invalid document
    return content
