"""Errors of AWS as botocore parses them: code, message, status, and the time to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from keywright.clouds.aws.error_codes import THROTTLED
from keywright.clouds.http import TransportError
from keywright.clouds.redaction import redacted

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
