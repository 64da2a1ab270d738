"""The credentials of a mounted file, as the documents that SDKs read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.api.times import parse_time

_Value = TypeVar("_Value")
_LARGEST_BYTES = 1024 * 1024  # the limit of a Secret


class FileMissingError(Exception):
    """The file cannot be read; the message says why."""


class NoSuchFileError(FileMissingError):
    """There is no such file."""


class MountedFile(Generic[_Value]):
    """One file and its parsed content; it is parsed once for each change."""

    def __init__(self, path: Path, *, parse: Callable[[str], _Value]) -> None:
        self.path = path
        self._name = os.fspath(path)
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value: _Value | None = None

    def read(self) -> _Value:
        """Return the current content, parsed.

        Raises:
            NoSuchFileError: There is no such file.
            FileMissingError: It is too large or not text.
            Exception: That of the parser.
        """
        try:
            found = os.stat(self._name)  # noqa: PTH116  at each request: several times as fast as Path.stat
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen == self._seen and self._value is not None:
                return self._value
            if found.st_size > _LARGEST_BYTES:
                raise FileMissingError(f"{self.path} is larger than a Secret can be")
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise NoSuchFileError(
                f"there is no {self.path}: mount the Secret there, with that file in its formats"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise FileMissingError(f"{self.path} cannot be read: {type(error).__name__}") from None
        self._seen = None
        self._value = self._parse(text)
        self._seen = seen
        return self._value


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
