"""The mounted files, and what the SDKs want to hear: parsed, checked, and written anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.api.times import parse_time


class DocumentError(Exception):
    """A file is not what it must be; the message names the field, never a value."""


@dataclass(frozen=True, slots=True)
class Document:
    """An answer to an SDK, and the end of the credential in it."""

    body: Sensitive
    expires_at: datetime


Parse: TypeAlias = Callable[[str], Document]


class _AlibabaUri(msgspec.Struct):
    """The answer of a credentials URI.

    alibabacloud_credentials, provider/uri.py: all five must be there, and Code be "Success".
    """

    Code: str
    AccessKeyId: str
    AccessKeySecret: str
    SecurityToken: str
    Expiration: str


class _AwsProcess(msgspec.Struct):
    """What a credential process prints.

    docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """

    AccessKeyId: str
    SecretAccessKey: str
    SessionToken: str
    Expiration: str


class _AwsContainer(msgspec.Struct):
    """The answer of a container credentials endpoint.

    docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """

    AccessKeyId: str
    SecretAccessKey: str
    Token: str
    Expiration: str


def alibaba_cloud(text: str) -> Document:
    """`credentials.json` of the format AlibabaCredentialsUri, as a credentials URI answers.

    Raises:
        DocumentError: The file has another form.
    """
    found = _decoded(text, _AlibabaUri)
    if found.Code != "Success":
        raise DocumentError('Code is not "Success": use the format AlibabaCredentialsUri')
    return _document(found, end=found.Expiration)


def aws(text: str) -> Document:
    """`credential-process.json` of the format AwsCredentialProcess, as container endpoints answer.

    Raises:
        DocumentError: The file has another form.
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
        # msgspec tells where, and what was expected there; it repeats no value
        raise DocumentError(f"{error}: is the file written by keywright?") from None


def _document(answer: msgspec.Struct, *, end: str) -> Document:
    try:
        expires_at = parse_time(end)
    except ValueError:
        raise DocumentError("Expiration is no RFC 3339 time with a time zone") from None
    return Document(body=Sensitive(msgspec.json.encode(answer).decode()), expires_at=expires_at)
