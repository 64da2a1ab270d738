"""Screens of commands: styled text and tables for a terminal of any width.

Colors only on a terminal, and never with NO_COLOR (no-color.org) or TERM=dumb. Text of the cluster
is cleaned of control characters, since tenants write it and a terminal would obey them.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TextIO

_WIDE: Final = frozenset("WF")
_PIPED_WIDTH: Final = 10_000
_LEAST_WIDTH: Final = 40
_GAP: Final = 2
_ELLIPSIS: Final = "…"


class Style(StrEnum):
    """The SGR parameters of a style."""

    PLAIN = ""
    GOOD = "32"
    WARN = "33"
    BAD = "31"
    DIM = "2"
    BOLD = "1"
    LINK = "36"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one style."""

    text: str
    style: Style = Style.PLAIN


Cell = str | Span | Sequence[Span]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether it may be cut or left out on a narrow terminal.

    Columns with a higher `rank` are left out first; rank 0 always stays. `least` is the width to
    which the column may be cut.
    """

    heading: str
    rank: int = 0
    least: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command writes, with or without colors."""

    stream: TextIO
    color: bool
    width: int
    unicode: bool = True

    def line(self, *parts: str | Span) -> None:
        """Write one line."""
        self.stream.write(self.paint(spans_of(parts)) + "\n")

    def paint(self, spans: Iterable[Span]) -> str:
        """The text with its styles, if this screen has colors."""
        return "".join(
            f"\x1b[{span.style}m{span.text}\x1b[0m"
            if self.color and span.style and span.text
            else span.text
            for span in spans
        )

    def flush(self) -> None:
        """Make what was written visible."""
        self.stream.flush()


@dataclass(slots=True)
class Table:
    """Rows in columns; a row may have notes, which follow it in lines of their own."""

    columns: Sequence[Column]
    rows: list[tuple[list[tuple[Span, ...]], tuple[Span, ...]]] = field(default_factory=list)

    def add(self, *cells: Cell, note: Cell = "") -> None:
        """Add a row."""
        self.rows.append(([_cell(cell) for cell in cells], _cell(note)))

    def write(self, screen: Screen, *, heading: bool = True) -> None:
        """Write the table, as wide as the screen allows."""
        widths = self._fit(screen.width)
        if heading:
            headings = [(Span(column.heading, Style.BOLD),) for column in self.columns]
            screen.stream.write(_row(screen, headings, widths))
        for cells, note in self.rows:
            screen.stream.write(_row(screen, cells, widths))
            if _width(note):
                room = max(screen.width - _GAP, _LEAST_WIDTH)
                for piece in wrap("".join(span.text for span in note), room):
                    screen.line("  ", Span(piece, note[0].style))

    def _fit(self, total: int) -> list[int]:
        """The width of each column; 0 for one that is left out."""
        widths = [
            0
            if column.hidden
            else max(
                [text_width(column.heading), *(_width(cells[number]) for cells, _ in self.rows)]
            )
            for number, column in enumerate(self.columns)
        ]
        for rank in sorted({column.rank for column in self.columns}, reverse=True):
            ranked = [n for n, column in enumerate(self.columns) if column.rank == rank]
            for number in reversed(ranked):
                excess = sum(w + _GAP for w in widths if w) - _GAP - total
                least = self.columns[number].least
                if excess > 0 and least and widths[number] > least:
                    widths[number] = max(least, widths[number] - excess)
            for number in reversed(ranked):
                if rank and sum(w + _GAP for w in widths if w) - _GAP > total:
                    widths[number] = 0
        return widths


def screen_for(stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> Screen:
    """The screen of a stream; by default of stdout."""
    target = sys.stdout if stream is None else stream
    terminal = target.isatty()
    forced = environment.get("FORCE_COLOR", "") not in ("", "0")
    refused = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
    width = shutil.get_terminal_size((100, 24)).columns if terminal else _PIPED_WIDTH
    if (terminal or forced) and environment.get("COLUMNS", "").isdecimal():
        width = int(environment["COLUMNS"])
    encoding = (getattr(target, "encoding", None) or "utf-8").lower().replace("-", "")
    return Screen(
        stream=target,
        color=(terminal or forced) and not refused,
        width=max(width, _LEAST_WIDTH),
        unicode=encoding.startswith("utf"),
    )


def clean(text: str) -> str:
    """The text on one line, without control characters and without hidden directions."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if character in "\n\r\t" else character
        for character in text
        if character in "\n\r\t" or unicodedata.category(character)[0] != "C"
    )


def text_width(text: str) -> int:
    """The cells that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in _WIDE
        else 1
        for character in text
    )


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most that width, broken at spaces; a longer word stays whole."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(lines[-1]) + 1 + text_width(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def spans_of(parts: Iterable[str | Span]) -> list[Span]:
    """The parts of a line as spans, without control characters."""
    return [
        Span(clean(part)) if isinstance(part, str) else Span(clean(part.text), part.style)
        for part in parts
    ]


def write_document(stream: TextIO, document: Any, form: str) -> None:
    """Write a document as JSON or YAML, for `-o`.

    In ASCII: other characters are escaped, as they may be control characters of a terminal.
    """
    if form == "yaml":
        import yaml  # noqa: PLC0415  slow to import

        stream.write(yaml.safe_dump(document, sort_keys=False, width=10_000))
        return
    import json  # noqa: PLC0415

    stream.write(json.dumps(document, indent=2) + "\n")


def _cell(cell: Cell) -> tuple[Span, ...]:
    return tuple(spans_of((cell,) if isinstance(cell, str | Span) else cell))


def _width(spans: Iterable[Span]) -> int:
    return sum(text_width(span.text) for span in spans)


def _row(screen: Screen, cells: Sequence[Sequence[Span]], widths: Sequence[int]) -> str:
    shown = [(cell, width) for cell, width in zip(cells, widths, strict=True) if width]
    pieces = []
    for number, (cell, width) in enumerate(shown):
        cut = _cut(cell, width)
        last = number == len(shown) - 1
        pieces.append(screen.paint(cut) + ("" if last else " " * (width - _width(cut) + _GAP)))
    return "".join(pieces).rstrip() + "\n"


def _cut(spans: Sequence[Span], width: int) -> Sequence[Span]:
    if _width(spans) <= width:
        return spans
    kept: list[Span] = []
    room = width - 1
    for span in spans:
        text = span.text
        while text_width(text) > room:
            text = text[:-1]
        kept.append(Span(text, span.style))
        room -= text_width(text)
        if text != span.text:
            break
    kept.append(Span(_ELLIPSIS, kept[-1].style if kept else Style.PLAIN))
    return kept
