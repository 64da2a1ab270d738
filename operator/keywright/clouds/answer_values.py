"""Check the responses of clouds: their size on the wire, and the format of each value.

A source may be shared, and its endpoint may be chosen by a tenant: its responses end up in files
that other namespaces read. Characters and length are checked; no value is ever quoted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive

_MAX_INFORMATIONAL: Final = 8
# Each part holds about a hundred of the shortest responses, which take a few milliseconds.
_PART_BYTES: Final = 8192
_BAD_GATEWAY: Final = 502


class AnswerProtocol(ResponseHandler):
    """Rejects a response after more than a few informational (1xx) responses.

    aiohttp skips them one after the other without returning to the event loop, and reads up to 256
    KiB of them at a time: a server that sends nothing else would block all other tasks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._informational = 0

    def set_response_params(self, **params: Any) -> None:
        """Start with another request."""
        self._informational = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Parse received data in small parts, until the response is rejected."""
        if len(data) <= _PART_BYTES:
            super().data_received(data)
            return
        for start in range(0, len(data), _PART_BYTES):
            if self._is_refused():
                return
            super().data_received(data[start : start + _PART_BYTES])

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Forward one response, unless there were too many informational responses."""
        if data[0].code // 100 == 1:
            self._informational += 1
        if not self._is_refused():
            super().feed_data(data, size)
        elif self.exception() is None:
            self.set_exception(
                HttpProcessingError(code=_BAD_GATEWAY, message="too many informational responses")
            )
            if self.transport is not None:
                self.transport.close()

    def _is_refused(self) -> bool:
        return self._informational > _MAX_INFORMATIONAL


def bound_answers(connector: aiohttp.BaseConnector) -> None:
    """Make the connector's new connections use `AnswerProtocol`.

    aiohttp has no public option for it; `test_interim_answers.py` fails if it has no effect.
    """
    protocol = partial(AnswerProtocol, loop=asyncio.get_running_loop())
    connector._factory = cast("partial[ResponseHandler]", protocol)  # noqa: SLF001


_YEARS: Final = range(2000, 2200)


@dataclass(frozen=True, slots=True)
class Form:
    """A type of value: its name in messages, and its format."""

    name: str
    pattern: re.Pattern[str]


def _form(name: str, pattern: str) -> Form:
    return Form(name, re.compile(pattern, re.ASCII))


# AWS STS API reference, Credentials: an ID is [\w]*, of 128 characters at most; secrets and tokens
# are base64. IAM API reference, ServiceSpecificCredential. API Gateway: IDs are [a-z0-9].
AWS_KEY_ID: Final = _form("access key id", r"\w{1,128}")
# For a key that a person has stored: the ID is sent, so its format is checked (AKIA..., ASIA...).
AWS_STORED_KEY_ID: Final = _form("access key id of AWS", "[A-Z0-9]{16,128}")
ALIBABA_STORED_KEY_ID: Final = _form("AccessKeyId of Alibaba Cloud", r"[A-Za-z0-9_.-]{8,128}")
AWS_SECRET: Final = _form("secret access key", r"[A-Za-z0-9+/=_.-]{1,256}")
AWS_TOKEN: Final = _form("session token", r"[A-Za-z0-9+/=_.-]{1,16384}")
AWS_ARN: Final = _form("ARN", r"arn:[a-z-]{1,32}:(iam|sts):[a-z0-9-]{0,64}:\d{0,20}:[!-~]{1,1600}")
ACCOUNT: Final = _form("account", r"\d{1,20}")
BEDROCK_SECRET: Final = _form("service credential secret", r"[A-Za-z0-9+/=_.:-]{1,4096}")
USER_NAME: Final = _form("user name", r"[\w+=,.@-]{1,128}")
CREDENTIAL_ID: Final = _form("service specific credential id", r"\w{1,128}")
GATEWAY_ID: Final = _form("API key id", r"[A-Za-z0-9_-]{1,128}")
GATEWAY_VALUE: Final = _form("API key value", r"[A-Za-z0-9._~+/=:@%^,-]{1,128}")
# Alibaba Cloud: STS.xxx, TMP.xxx, LTAIxxx; AssumeRole, Credentials.
ALIBABA_KEY_ID: Final = _form("AccessKeyId", r"[A-Za-z0-9_.-]{1,128}")
ALIBABA_SECRET: Final = _form("AccessKeySecret", r"[A-Za-z0-9+/=_.-]{1,256}")
ALIBABA_TOKEN: Final = _form("SecurityToken", r"[A-Za-z0-9+/=_.-]{1,16384}")
ALIBABA_ARN: Final = _form("ARN", r"acs:[a-z]{1,32}:[a-z0-9-]{0,64}:\d{0,20}:[!-~]{1,1600}")
# Model Studio: sk-..., st-... (the pages "Get an API key", "Generate a temporary API key").
MODEL_STUDIO_KEY: Final = _form("API key of Model Studio", r"[A-Za-z0-9._~+/=-]{1,1024}")
# CodeArtifact: a JSON Web Encryption, and words that a URL holds without quotes.
PACKAGE_TOKEN: Final = _form("authorization token", r"[A-Za-z0-9._~+/=-]{1,16384}")
# ECR: JSON in base64. "The size of the authorization token is not fixed": botocore's model.
REGISTRY_PASSWORD: Final = _form("registry password", r"[A-Za-z0-9._~+/=-]{1,12000}")
# RFC 6750: the characters allowed in a header.
BEARER: Final = _form("bearer token", r"[!-~]{1,16384}")

# The same RFC: b64token; with the limit of what is read back from a Secret.
ACCESS_TOKEN: Final = _form("access_token", r"[A-Za-z0-9._~+/-]{1,16000}={0,8}")


def invalid(what: str) -> Failure:
    """The failure for a response in an undocumented format; transient, as the next may be valid."""
    return Failure(
        f"the answer has no valid {what}.",
        kind=FailureClass.TRANSIENT,
        reason="InvalidAnswer",
        remedy="See that the endpoint, or the file that it answers from, is the cloud's own.",
    )


def fits(value: object, form: Form) -> bool:
    """Whether a value is a text in that format."""
    return isinstance(value, str) and form.pattern.fullmatch(value) is not None


def text(value: object, form: Form) -> str:
    """Return the value if it has that format; raises Failure, which does not quote it."""
    if isinstance(value, str) and form.pattern.fullmatch(value):
        return value
    raise invalid(form.name)


def secret(value: object, form: Form) -> Sensitive:
    """Return the value as a secret if it has that format; raises Failure."""
    return Sensitive(text(value, form))


def moment(value: object, *, what: str) -> datetime:
    """A time in a response, aware and in UTC; without a time zone, the clouds mean UTC.

    Raises:
        Failure: it is not a time, or in another century.
    """
    if not isinstance(value, datetime) or value.year not in _YEARS:
        raise invalid(what)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def parsed_moment(value: object, *, what: str) -> datetime:
    """Parse an ISO 8601 time in a response; raises Failure."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    return moment(found, what=what)


def part(answer: object, name: str) -> Mapping[str, Any]:
    """An object within a response; raises Failure if it is missing."""
    found = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(found, Mapping):
        raise invalid(name)
    return found


def stored(value: str, form: Form, *, secret_name: str, key: str, field: str) -> str:
    """A value that a person has stored in a Secret, in that format; raises Failure."""
    if form.pattern.fullmatch(value):
        return value
    raise Failure(
        f"{key} in Secret {secret_name} is no {form.name}.",
        kind=FailureClass.CONFIGURATION,
        reason="InvalidKeyFormat",
        field=field,
        remedy="Put the value into it as the cloud gave it: ASCII, without blanks and line breaks.",
    )
