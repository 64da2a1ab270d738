"""Errors of AWS's JSON services, which have other names than those of the query services."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Response

_CODES = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidAction": "UnknownOperationException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "Throttling": "ThrottlingException",
}
_TOO_MANY = 429


def timestamp(seconds: float) -> str:
    """A time in ISO 8601, from seconds since the epoch."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error(refusal: CloudError, *, throttled: str = "ThrottlingException") -> Response:
    """The error; `throttled` is the service's code for too many requests, always with 429."""
    code = _CODES.get(refusal.code, refusal.code)
    status = refusal.status
    if code == "ThrottlingException":
        code, status = throttled, _TOO_MANY
    # AccessDeniedException of the gateway has Message, the service's own errors have message
    field = "Message" if code == "AccessDeniedException" else "message"
    return json_response(
        {field: refusal.message}, status=status, headers={"x-amzn-errortype": code}
    )
