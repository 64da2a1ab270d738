"""Refusals of AWS's JSON services: they have other names for what the query services refuse."""

from __future__ import annotations

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


def error(refusal: CloudError, *, throttled: str = "ThrottlingException") -> Response:
    """The error; `throttled` is what the service calls a request too many, always with 429."""
    code = _CODES.get(refusal.code, refusal.code)
    status = refusal.status
    if code == "ThrottlingException":
        code, status = throttled, _TOO_MANY
    # AccessDeniedException of the gateway writes Message, the service's own errors message
    field = "Message" if code == "AccessDeniedException" else "message"
    return json_response(
        {field: refusal.message}, status=status, headers={"x-amzn-errortype": code}
    )
