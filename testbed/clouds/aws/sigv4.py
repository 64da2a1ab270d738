"""Verification of Signature Version 4, independent of botocore.

Source: "Create a signed AWS API request", IAM user guide. Query strings and paths are used in their
on-wire encoding: decoding and encoding them again would accept what AWS rejects.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from typing_extensions import override

from testbed.clouds.aws import refusals

if TYPE_CHECKING:
    from testbed.clouds.wire import Request

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()
_SCOPE_PARTS = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope, preceded by the access key ID."""

    access_key_id: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, credential: str) -> Scope | None:
        """Parse `AKID/DATE/REGION/SERVICE/aws4_request`; None for any other format."""
        parts = credential.split("/")
        if len(parts) != _SCOPE_PARTS or parts[4] != "aws4_request" or not all(parts):
            return None
        return cls(*parts[:4])

    @override
    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parsed Authorization header of a signed request."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str

    @classmethod
    def parse(cls, header: str) -> Authorization:
        """Parse a header; raises CloudError IncompleteSignature if a part is missing."""
        fields = dict(
            part.strip().split("=", 1)
            for part in header.removeprefix(ALGORITHM).split(",")
            if "=" in part
        )
        for name in ("Credential", "SignedHeaders", "Signature"):
            if not fields.get(name):
                raise refusals.incomplete_signature(
                    f"Authorization header requires '{name}' parameter."
                )
        scope = Scope.parse(fields["Credential"])
        if scope is None:
            raise refusals.incomplete_signature(
                "Credential must have exactly 5 slash-delimited elements, e.g. "
                "keyid/date/region/service/term."
            )
        return cls(scope, tuple(fields["SignedHeaders"].split(";")), fields["Signature"])


def canonical_query(query: str, *, without: str | None = None) -> str:
    """The pairs of a query string in their on-wire encoding, sorted by name, then value."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(
        f"{name}={value}" for name, _, value in sorted(pairs) if without is None or name != without
    )


def canonical_request(request: Request, *, signed_headers: tuple[str, ...]) -> str:
    """The canonical request of a call signed in its headers; the body's hash is computed here."""
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(" ".join(value.split()))
    lines = [f"{name}:{','.join(values.get(name, []))}\n" for name in signed_headers]
    path = posixpath.normpath(request.path) if request.path else "/"
    if request.path.endswith("/") and path != "/":
        path += "/"
    return "\n".join(
        (
            request.method,
            quote(path.replace("//", "/"), safe="/-_.~"),
            canonical_query(request.query),
            "".join(lines),
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def signature(*, secret: str, scope: Scope, timestamp: str, canonical: str) -> str:
    """The signature with `secret` over a canonical request."""
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashed}"
    key = _signing_key(secret, scope.date, scope.region, scope.service)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


@functools.lru_cache(maxsize=1024)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key
