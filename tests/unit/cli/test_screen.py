"""Screens for terminals of any width, for pipes, and for hostile text."""

from __future__ import annotations

import io

import pytest

from keywright.cli.screen import (
    Column,
    Screen,
    Span,
    Style,
    Table,
    clean,
    screen_for,
    text_width,
    wrap,
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_colors_only_on_a_terminal() -> None:
    """Not in a pipe, not with NO_COLOR or TERM=dumb; FORCE_COLOR wants them in a pipe."""
    assert screen_for(Terminal(), {}).color
    assert not screen_for(io.StringIO(), {}).color
    assert not screen_for(Terminal(), {"NO_COLOR": "1"}).color
    assert not screen_for(Terminal(), {"TERM": "dumb"}).color
    assert screen_for(io.StringIO(), {"FORCE_COLOR": "1"}).color
    assert not screen_for(io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}).color


@pytest.mark.parametrize("width", [20, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Columns of the highest rank go first; the name stays."""
    stream = Terminal()
    screen = screen_for(stream, {"COLUMNS": str(width)})
    table = Table([Column("NAME", least=12), Column("STATE"), Column("A", 1), Column("B", 2)])
    for number in range(3):
        table.add(f"a-grant-with-a-long-name-{number}", "Ready", "x" * 20, "y" * 40)
    table.write(screen)
    lines = stream.getvalue().splitlines()
    shown = [text_width(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) for line in lines]
    assert max(shown) <= max(width, 40)
    assert "NAME" in lines[0]
    assert ("B" in lines[0]) is (width == 120)
    assert ("A" in lines[0].replace("NAME", "").replace("STATE", "")) is (width >= 60)


def test_a_pipe_cuts_nothing() -> None:
    """Programs read whole names."""
    stream = io.StringIO()
    table = Table([Column("NAME", least=5)])
    table.add("n" * 300)
    table.write(screen_for(stream, {}))
    assert "n" * 300 in stream.getvalue()


def test_a_note_follows_its_row_and_is_wrapped() -> None:
    """The reason of a failure is never cut."""
    stream = Terminal()
    table = Table([Column("NAME")])
    table.add("chat", note=Span("word " * 30, Style.DIM))
    table.write(screen_for(stream, {"COLUMNS": "50", "NO_COLOR": "1"}))
    lines = stream.getvalue().splitlines()
    assert lines[1] == "chat"
    assert sum(line.count("word") for line in lines[2:]) == 30
    assert all(len(line) <= 50 for line in lines)


def test_text_of_tenants_cannot_command_the_terminal() -> None:
    """Control characters and hidden directions go; a line break becomes a space."""
    hostile = "ok\x1b[2J\x1b]0;title\x07\u202eevil\u200b\nnext\r"
    assert clean(hostile) == "ok[2J]0;titleevil next "
    assert clean("größe 日本") == "größe 日本"


def test_wide_characters_take_two_cells() -> None:
    """A table with them is aligned."""
    assert text_width("日本") == 4
    assert text_width("e\u0301") == 1
    stream = io.StringIO()
    table = Table([Column("NAME"), Column("X")])
    table.add("日本", "1")
    table.add("abcd", "2")
    table.write(Screen(stream=stream, color=False, width=80))
    assert stream.getvalue().splitlines()[1:] == ["日本  1", "abcd  2"]


def test_wrap_keeps_every_word() -> None:
    """A word that is longer than a line stays whole, so that a command can be copied."""
    assert wrap("a bb cccccccc d", 4) == ["a bb", "cccccccc", "d"]
    assert wrap("", 4) == []
