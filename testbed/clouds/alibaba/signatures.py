"""Verification of both signature types of Alibaba Cloud's API, independent of its SDKs.

RPC v1 is "Request syntax and signature method V2 for RPC APIs", ACS3-HMAC-SHA256 "Request syntax
and signature method V3" of the OpenAPI documentation. Both encode strictly by RFC 3986: a space
that was signed as `+` does not match.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from testbed.clouds.alibaba import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.wire import Request

ACS3 = "ACS3-HMAC-SHA256"
_FORM = "application/x-www-form-urlencoded"


def parameters(request: Request) -> dict[str, str]:
    """The parameters of an RPC call, from the query and, in a form, from the body."""
    text = request.query
    if (request.header("content-type") or "").startswith(_FORM):
        text += "&" + request.body.decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True))


def action_of(request: Request) -> str:
    """The API action of a request, in either style."""
    return parameters(request).get("Action") or request.header("x-acs-action") or ""


def version_of(request: Request) -> str:
    """The API version of a request, in either style."""
    return parameters(request).get("Version") or request.header("x-acs-version") or ""


def encode(text: str) -> str:
    """Percent-encoding by RFC 3986: all but the unreserved characters."""
    return quote(text, safe="-_.~")


def rpc_string_to_sign(method: str, given: Mapping[str, str]) -> str:
    """The string to sign of an RPC call: every parameter except the signature."""
    return f"{method}&{encode('/')}&{encode(_pairs(given, without='Signature'))}"


def rpc_signature(secret: str, string_to_sign: str) -> str:
    """The HMAC-SHA1 with the secret."""
    digest = hmac.digest(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parsed Authorization header of an ACS3 request."""

    access_key_id: str
    signed_headers: tuple[str, ...]
    signature: str

    @classmethod
    def parse(cls, header: str) -> Authorization:
        """Parse a header; raises CloudError IncompleteSignature if a part is missing."""
        algorithm, _, rest = header.partition(" ")
        fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        try:
            credential, signed, value = (
                fields[name] for name in ("Credential", "SignedHeaders", "Signature")
            )
        except KeyError:
            raise refusals.incomplete_signature() from None
        if algorithm != ACS3:
            raise refusals.incomplete_signature()
        return cls(credential, tuple(signed.split(";")), value)


def acs3_string_to_sign(request: Request, *, signed_headers: tuple[str, ...]) -> str:
    """The string to sign of an ACS3 request; the body's hash is computed here."""
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(value.strip())
    lines = [f"{name}:{','.join(values.get(name, []))}\n" for name in signed_headers]
    canonical = "\n".join(
        (
            request.method,
            request.path or "/",
            _pairs(dict(parse_qsl(request.query, keep_blank_values=True))),
            "".join(lines),
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    return f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def acs3_signature(secret: str, string_to_sign: str) -> str:
    """The HMAC-SHA256 with the secret; there is no derived key."""
    return hmac.digest(secret.encode(), string_to_sign.encode(), hashlib.sha256).hex()


def same(one: str, other: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _pairs(given: Mapping[str, str], *, without: str | None = None) -> str:
    return "&".join(
        f"{encode(name)}={encode(given[name])}" for name in sorted(given) if name != without
    )
