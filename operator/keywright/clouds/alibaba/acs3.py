"""Requests of Alibaba Cloud's ROA style, signed with ACS3-HMAC-SHA256. Pure.

"Request syntax and signature method V3" of the OpenAPI documentation, as in
alibabacloud_tea_openapi 0.4.6. Every header except `Accept` and `User-Agent` is signed, and the
encoding is that of RFC 3986.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from keywright.api.times import format_time
from keywright.clouds.alibaba.sts.rpc import form
from keywright.clouds.interfaces import Session

ALGORITHM: Final = "ACS3-HMAC-SHA256"
FORM_TYPE: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request: `fields` are the body, as a form; `query` and `fields` are not encoded yet."""

    action: str
    version: str
    method: str
    host: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str | None:
        """The encoded form; None for a request without a body."""
        return form(self.fields) if self.fields else None

    @property
    def url(self) -> str:
        """The URL with the encoded query, in the order in which it is signed."""
        query = f"?{form(self.query)}" if self.query else ""
        return f"https://{self.host}{self.path}{query}"


def signed_headers(
    request: ApiRequest, *, by: Session, now: datetime, nonce: str
) -> Mapping[str, str]:
    """The headers of the request, with its signature by the session."""
    body = request.body
    digest = hashlib.sha256((body or "").encode()).hexdigest()
    headers = {
        "host": request.host,
        "x-acs-action": request.action,
        "x-acs-content-sha256": digest,
        "x-acs-date": format_time(now),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": request.version,
    }
    if request.method != "GET":
        # The HTTP client would add a type of its own, also without a body, which is not signed.
        headers["content-type"] = FORM_TYPE
    if by.session_token is not None:
        headers["x-acs-security-token"] = by.session_token.reveal()
    names = sorted(headers)
    canonical = "\n".join(
        (
            request.method,
            request.path,
            form(request.query),
            "".join(f"{name}:{headers[name].strip()}\n" for name in names),
            ";".join(names),
            digest,
        )
    )
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = by.secret_access_key.reveal().encode()
    signature = hmac.digest(key, text.encode(), hashlib.sha256).hex()
    del headers["host"]  # The HTTP client sets it.
    credential = f"Credential={by.access_key_id},SignedHeaders={';'.join(names)}"
    return headers | {"authorization": f"{ALGORITHM} {credential},Signature={signature}"}
