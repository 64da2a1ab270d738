"""The output of the demo: a live table in a terminal, otherwise a line for each event."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from testbed.demo.observed import Observed
from testbed.demo.table import COMMANDS, table

_PICTURE_WIDTH = 100
_PICTURE_HEIGHT = 32
# The picture is shown where downloads may be blocked, and any monospaced font is sufficient.
_FONT_DOWNLOAD = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_FONT = "Fira Code, monospace"
_FONTS_AT_HAND = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"


class Screen(Protocol):
    """Shows the observations; used as a context manager."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the terminal."""

    def show(self, seen: Observed) -> None:
        """Show the observations now."""


class Lines(contextlib.AbstractContextManager["Lines"]):
    """Plain text: no color, no control characters."""

    def __init__(self) -> None:
        self._last = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to restore."""

    def show(self, seen: Observed) -> None:
        """Print the new events."""
        if self._last == 0 and seen.events:
            hint = f"in another terminal: {seen.place.environment}; {COMMANDS}"
            say(hint, seconds=seen.elapsed_seconds)
        for event in seen.events:
            if event.number > self._last:
                say(event.text, seconds=event.seconds)
                self._last = event.number


class LiveTable(contextlib.AbstractContextManager["LiveTable"]):
    """The table, redrawn in place at each `show`; its last state stays on the terminal."""

    def __init__(self) -> None:
        self._console = Console()
        # No refresh thread: children must be forked from a process without threads.
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, seen: Observed) -> None:
        """Draw the table for the terminal's current size."""
        width, height = self._console.size
        blocks = not self._console.options.ascii_only
        self._live.update(table(seen, width=width, height=height, blocks=blocks), refresh=True)


def screen() -> Screen:
    """The live table if stdout is a capable terminal."""
    capable = os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
    return LiveTable() if sys.stdout.isatty() and capable else Lines()


def say(text: str, *, seconds: float) -> None:
    """Print a line with the time since the start of the command."""
    print(f"{seconds:6.1f} s  {text}", flush=True)


def picture(seen: Observed, *, file: Path) -> None:
    """Write the table as an SVG."""
    console = Console(
        record=True, file=io.StringIO(), width=_PICTURE_WIDTH, color_system="truecolor",
        force_terminal=True, legacy_windows=False,
    )  # fmt: skip
    console.print(table(seen, width=_PICTURE_WIDTH, height=_PICTURE_HEIGHT))
    drawn = console.export_svg(title="make demo", unique_id="demo")
    file.write_text(_FONT_DOWNLOAD.sub("", drawn).replace(_FONT, _FONTS_AT_HAND))
