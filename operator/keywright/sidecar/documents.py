"""Convert the mounted files to the responses that SDKs expect: parse, validate, and format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.api.times import parse_time


class DocumentError(Exception):
    """A file is invalid; the message names the field, never a value."""


@dataclass(frozen=True, slots=True)
class Document:
    """A response for an SDK, and the expiry of its credential."""

    body: Sensitive
    expires_at: datetime


Parse: TypeAlias = Callable[[str], Document]


class _AlibabaUri(msgspec.Struct):
    """The response of a credentials URI.

    alibabacloud_credentials, provider/uri.py: all five fields are required, and Code is "Success".
    """

    Code: str
    AccessKeyId: str
    AccessKeySecret: str
    SecurityToken: str
    Expiration: str


class _AwsProcess(msgspec.Struct):
    """The output of a credential process.

    docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """

    AccessKeyId: str
    SecretAccessKey: str
    SessionToken: str
    Expiration: str


class _AwsContainer(msgspec.Struct):
    """The response of a container credentials endpoint.

    docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """

    AccessKeyId: str
    SecretAccessKey: str
    Token: str
    Expiration: str


def alibaba_cloud(text: str) -> Document:
    """Convert `credentials.json` of the format AlibabaCredentialsUri to a response.

    Raises:
        DocumentError: The file has another structure.
    """
    found = _decoded(text, _AlibabaUri)
    if found.Code != "Success":
        raise DocumentError('Code is not "Success": use the format AlibabaCredentialsUri')
    return _document(found, end=found.Expiration)


def aws(text: str) -> Document:
    """Convert `credential-process.json` of the format AwsCredentialProcess to a response.

    Raises:
        DocumentError: The file has another structure.
    """
    found = _decoded(text, _AwsProcess)
    answer = _AwsContainer(
        AccessKeyId=found.AccessKeyId,
        SecretAccessKey=found.SecretAccessKey,
        Token=found.SessionToken,
        Expiration=found.Expiration,
    )
    return _document(answer, end=found.Expiration)


_Form = TypeVar("_Form", bound=msgspec.Struct)


def _decoded(text: str, form: type[_Form]) -> _Form:
    try:
        return msgspec.json.decode(text.encode(), type=form)
    except msgspec.DecodeError as error:
        # msgspec names the position and the expected type, but never a value
        raise DocumentError(f"{error}: is the file written by keywright?") from None


def _document(answer: msgspec.Struct, *, end: str) -> Document:
    try:
        expires_at = parse_time(end)
    except ValueError:
        raise DocumentError("Expiration is no RFC 3339 time with a time zone") from None
    return Document(body=Sensitive(msgspec.json.encode(answer).decode()), expires_at=expires_at)
