"""The key in a mounted Secret, for the proxy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from keywright.api.formats import TEMPLATES, Format, Variable
from keywright.api.sensitive import Sensitive
from keywright.api.times import time_or_none
from keywright.sidecar.documents import FileMissingError, MountedFile, NoSuchFileError

BEARER_FILES: Final = tuple(
    dict.fromkeys(
        key
        for form, template in TEMPLATES.items()
        if form is not Format.API_GATEWAY_ENV
        for key, text in template.items()
        if text == f"${{{Variable.API_KEY}}}"
    )
)
"""The files with a bearer key that the formats write, in the order of preference."""
API_KEY_FILES: Final = ("X_API_KEY", "apiKey")
"""As `BEARER_FILES`, for keys of Amazon API Gateway."""
EXPIRY_FILE: Final = "expiresAt"
"""Optional: `spec.secret.data` with `expiresAt: ${expiresAt}` writes it."""
# RFC 9110, section 5.5: nothing that could end the header.
_KEY: Final = re.compile(r"[!-~]{1,16384}")


class NoKeyError(Exception):
    """There is no valid key now; the message says why, without any value."""


class KeySource(Protocol):
    """Where the proxy gets the current key from."""

    def current(self) -> Sensitive:
        """The key; raises NoKeyError."""


class MountedKey:
    """The key in one of several files, checked at each request and read after each change."""

    def __init__(
        self, directory: Path, *, names: tuple[str, ...], clock: Callable[[], datetime]
    ) -> None:
        self._directory = directory
        self._files = [MountedFile(directory / name, parse=key_of) for name in names]
        self._end = MountedFile(directory / EXPIRY_FILE, parse=_end)
        self._clock = clock

    def current(self) -> Sensitive:
        """The key of the first file that exists.

        Raises:
            NoKeyError: no file exists, its content is not a key, or the key has expired.
        """
        try:
            found, key = self._first()
            ends_at = self._expiry()
        except FileMissingError as error:
            raise NoKeyError(str(error)) from None
        if key is None:
            raise NoKeyError(f"{found.path} holds no key: see the formats of the grant")
        if ends_at is not None and ends_at <= self._clock():
            raise NoKeyError(f"the key in {found.path} has expired: see the grant's conditions")
        return key

    def _first(self) -> tuple[MountedFile[Sensitive | None], Sensitive | None]:
        for file in self._files:
            with contextlib.suppress(NoSuchFileError):
                return file, file.read()
        names = ", ".join(file.path.name for file in self._files)
        raise NoKeyError(f"{self._directory} has none of the files {names}: mount the Secret")

    def _expiry(self) -> datetime | None:
        with contextlib.suppress(NoSuchFileError):
            return self._end.read()
        return None


def key_of(text: str) -> Sensitive | None:
    """The key, if the text can be the value of a header."""
    return Sensitive(text) if _KEY.fullmatch(text) else None


def _end(text: str) -> datetime | None:
    return time_or_none(text.strip())
