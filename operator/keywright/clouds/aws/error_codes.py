"""Error codes that all AWS services share, with failure class, field and remedy.

Evidence for codes and messages: tests/data/fidelity.tsv. Codes of a single API are classified in
`sts.errors`, `iam.errors` and `api_gateway.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.http import TransportError
from keywright.clouds.redaction import condition_reason, redacted

THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
    }
)
SOURCE: Final = "CredentialSource spec.aws"
CLOCK_SKEW: Final = "ClockSkew"

_CLOCK_CURE: Final = (
    "The clock of the operator's node differs from the clock of AWS: correct it (NTP)."
)
# SigV4: "Signature expired: T1 is now earlier than T2 (T3 - 15 min.)" (STS and IAM 15 minutes,
# other services 5), and "Signature not yet current: T1 is still later than T2".
_CLOCK_WORDS: Final = ("Signature expired", "not yet current", "must be within 15 minutes")
_CLOCK_CODES: Final = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
# botocore's error if a host has no address or refuses the connection.
_NO_ENDPOINT: Final = "EndpointConnectionError"
_SIGNATURE_CODES: Final = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})
_TRANSIENT: Final = frozenset(
    {
        "IDPCommunicationError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """The handling of one error code: failure class, field of the source or grant, remedy."""

    kind: FailureClass
    field: str
    remedy: str
    reason: str = ""

    def failure(self, code: str, message: str, *, service: str = "AWS") -> Failure:
        """The failure for a response with this code."""
        return Failure(
            f"{service}: {code}: {message}.",
            kind=self.kind,
            reason=self.reason or condition_reason(code),
            field=self.field,
            remedy=self.remedy,
        )


_NEW_SESSION: Final = "The operator requests a new session and tries again."
_ROWS: Final = {
    "RegionDisabledException": ErrorRow(
        FailureClass.CONFIGURATION,
        f"{SOURCE}.region",
        "Activate STS for this Region in the IAM console (Account settings, Security Token"
        " Service), or set a Region in which it is active.",
    ),
    "ExpiredToken": ErrorRow(FailureClass.TRANSIENT, SOURCE, _NEW_SESSION),
    "ExpiredTokenException": ErrorRow(
        FailureClass.TRANSIENT, SOURCE, _NEW_SESSION, reason="ExpiredToken"
    ),
    "InvalidClientTokenId": ErrorRow(
        FailureClass.TRANSIENT,
        SOURCE,
        "A new session or access key is known everywhere after some seconds; if this stays, the"
        " key or the role was deleted, or its sessions were revoked.",
    ),
    "UnrecognizedClientException": ErrorRow(
        FailureClass.TRANSIENT,
        SOURCE,
        "A new session or access key is known everywhere after some seconds; if this stays, the"
        " key or the role was deleted, or its sessions were revoked.",
    ),
    "OptInRequired": ErrorRow(
        FailureClass.CONFIGURATION,
        f"{SOURCE}.region",
        "Enable the Region or the service for the account, or set another Region.",
    ),
}


def is_clock_fault(code: str, message: str) -> bool:
    """Whether AWS rejects a signature only because of its time."""
    if code in _CLOCK_CODES:
        return True
    return code in _SIGNATURE_CODES and any(words in message for words in _CLOCK_WORDS)


def clock_fault(code: str, message: str) -> Failure:
    """The failure for a signature whose time AWS rejects."""
    return Failure(
        f"AWS: {code}: {message}.",
        kind=FailureClass.TRANSIENT,
        reason=CLOCK_SKEW,
        remedy=_CLOCK_CURE,
    )


def common_failure(code: str, message: str) -> Failure:
    """The failure for an error code that any AWS service may return; empty code: no response."""
    if is_clock_fault(code, message):
        return clock_fault(code, message)
    if code in THROTTLED:
        return Failure(
            f"AWS: {code}: {message}.",
            kind=FailureClass.THROTTLED,
            reason="Throttled",
            field=SOURCE,
            remedy="The operator sends requests more slowly and tries again.",
        )
    if not code and message.startswith(_NO_ENDPOINT):
        return Failure(
            f"AWS: no answer: {message}.",
            kind=FailureClass.TRANSIENT,
            reason="CloudError",
            field=f"{SOURCE}.region",
            remedy=(
                "The Region has no such endpoint, or the endpoint cannot be reached: correct region"
                " or stsEndpoint, or the network, proxy and firewall; tried again."
            ),
        )
    if code in _TRANSIENT or not code:
        return Failure(
            f"AWS: {code or 'no answer'}: {message}.",
            kind=FailureClass.TRANSIENT,
            reason="CloudError",
            field=SOURCE,
            remedy=(
                "Tried again. If this stays, check region and stsEndpoint, the network, proxy and"
                " firewall between the operator and AWS, and the AWS Health Dashboard."
            ),
        )
    row = _ROWS.get(code)
    if row is not None:
        return row.failure(code, message)
    denied = "Denied" in code
    return Failure(
        f"AWS: {code}: {message}.",
        kind=FailureClass.DENIED if denied else FailureClass.TRANSIENT,
        reason=condition_reason(code),
        field=SOURCE,
        remedy=(
            "Allow the action for the role or user of the source."
            if denied
            else "Tried again. If this stays, look the code up in the API reference of the service."
        ),
    )


# The characters of the clouds' error codes.
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._:-]{0,127}")
_CONCURRENT: Final = "concurrent modification"
_RATE: Final = "exceeded the rate limit"
_MAX_RETRY_AFTER: Final = timedelta(minutes=5)


def code_and_message(error: Exception) -> tuple[str, str]:
    """Code and message of a botocore exception, without possible credentials or tokens.

    For an exception that is neither botocore's nor the system's, only the type is returned: that of
    a damaged response quotes all of it, and a secret access key looks like any other word.
    """
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  imported after start-up

    problem = _part(_response(error), "Error")
    if not problem:
        shown = isinstance(error, BotoCoreError | OSError | TransportError)
        text = f": {redacted(str(error))}" if shown else ""
        return "", f"{type(error).__name__}{text}"
    code = str(problem.get("Code") or "Unknown")
    if not _CODE.fullmatch(code):
        # It becomes the reason of a condition.
        code = "Unknown"
    return code, redacted(str(problem.get("Message") or "")).rstrip(".")


def http_status(error: Exception) -> int:
    """The status of the response in an exception; 0 without a response."""
    status = _part(_response(error), "ResponseMetadata").get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0


def retry_after(error: Exception) -> timedelta | None:
    """The time in a Retry-After header in seconds, at most five minutes; None without one."""
    seconds = retry_after_seconds(_response(error))
    return timedelta(seconds=seconds) if seconds else None


def retry_after_seconds(answer: Mapping[str, Any]) -> float:
    """As `retry_after`, for a response that botocore has parsed; 0 without the header."""
    headers = _part(_part(answer, "ResponseMetadata"), "HTTPHeaders")
    found = str(headers.get("retry-after", ""))
    if not found.isascii() or not found.isdigit():
        return 0.0
    return min(float(found[:9]), _MAX_RETRY_AFTER.total_seconds())


def is_throttled(answer: Mapping[str, Any]) -> bool:
    """Whether a response, as botocore parses it, rejects a call for its rate.

    API Gateway's "concurrent modification" is ConflictException (409), and BadRequestException
    (400) in older responses: https://github.com/serverless/serverless/issues/12065. Its
    LimitExceededException is a quota, or a rate that the Retry-After header or the message shows.
    """
    error = _part(answer, "Error")
    code, message = str(error.get("Code") or ""), str(error.get("Message") or "")
    if code in THROTTLED or _CONCURRENT in message:
        return True
    return code == "LimitExceededException" and (
        _RATE in message or retry_after_seconds(answer) > 0
    )


def is_rate_answer(error: Exception) -> bool:
    """As `is_throttled`, for an exception of botocore."""
    return is_throttled(_response(error))


def _response(error: Exception) -> Mapping[str, Any]:
    # ConnectionClosedError, ReadTimeoutError and others have the attribute, with None as value.
    found = getattr(error, "response", None)
    return found if isinstance(found, Mapping) else {}


def _part(response: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = response.get(name)
    return found if isinstance(found, Mapping) else {}
