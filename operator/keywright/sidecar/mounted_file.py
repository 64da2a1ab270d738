"""Files of a volume, read again after a change.

The kubelet writes a Secret's files to a new directory and replaces a symbolic link; the path then
leads to another file, which has another inode and other times.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

_Value = TypeVar("_Value")
_LARGEST_BYTES = 1024 * 1024  # the limit of a Secret


class FileMissingError(Exception):
    """The file cannot be read; the message says why."""


class MountedFile(Generic[_Value]):
    """One file and its parsed content; it is parsed once for each change."""

    def __init__(self, path: Path, *, parse: Callable[[str], _Value]) -> None:
        self.path = path
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value: _Value | None = None

    def read(self) -> _Value:
        """Return the current content, parsed.

        Raises:
            FileMissingError: There is no such file, or it is too large or not text.
            Exception: That of the parser.
        """
        try:
            found = self.path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen == self._seen and self._value is not None:
                return self._value
            if found.st_size > _LARGEST_BYTES:
                raise FileMissingError(f"{self.path} is larger than a Secret can be")
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileMissingError(
                f"there is no {self.path}: mount the Secret there, with that file in its formats"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise FileMissingError(f"{self.path} cannot be read: {type(error).__name__}") from None
        self._seen = None
        self._value = self._parse(text)
        self._seen = seen
        return self._value
