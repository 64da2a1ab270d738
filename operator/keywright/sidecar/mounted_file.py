"""Files of a volume, read anew when they changed.

The kubelet writes a Secret's files into a new directory and swaps a symbolic link; the file behind
a path is then another one, which its inode and its times tell.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

_Value = TypeVar("_Value")
_LARGEST_BYTES = 1024 * 1024  # of a Secret


class FileMissingError(Exception):
    """The file cannot be read; the message says why."""


class MountedFile(Generic[_Value]):
    """One file and what it means; it is parsed once for each time that it changes."""

    def __init__(self, path: Path, *, parse: Callable[[str], _Value]) -> None:
        self.path = path
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value: _Value | None = None

    def read(self) -> _Value:
        """What the file means now.

        Raises:
            NotThereError: There is no such file, or it is too large or no text.
            Exception: What the parser raises.
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
