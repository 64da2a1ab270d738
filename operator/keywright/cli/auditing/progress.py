"""Progress of a long listing on stderr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from keywright.cli.screen import clean

_CLEAR = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Progress:
    """One line that is rewritten on a terminal; elsewhere only a line for each end."""

    stream: TextIO
    terminal: bool

    @classmethod
    def on(cls, stream: TextIO) -> Progress:
        """The progress on a stream."""
        return cls(stream, terminal=stream.isatty())

    def show(self, text: str) -> None:
        """Show how far a listing is; called in the thread of the listing."""
        if self.terminal:
            self.stream.write(f"{_CLEAR}{clean(text)}")
            self.stream.flush()

    def end(self, text: str) -> None:
        """Report a finished listing."""
        self.stream.write(f"{_CLEAR if self.terminal else ''}{clean(text)}\n")
        self.stream.flush()
