"""What the demo draws, in terminals of any width."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from testbed.demo.bars import ASCII, lifetime
from testbed.demo.observed import Observed
from testbed.demo.screens import picture
from testbed.demo.table import table
from tests.testbed.demo_states import (
    CLIENT,
    DENIED,
    EMPTY,
    GOOD,
    GRANT,
    LONG,
    NOON,
    REFUSED,
    key,
)

STATES = {
    "good": GOOD,
    "nothing yet": EMPTY,
    "denied": dataclasses.replace(EMPTY, grants=(DENIED,)),
    "clients refused": dataclasses.replace(GOOD, clients=(CLIENT, REFUSED)),
    "long names, several grants": dataclasses.replace(GOOD, grants=(LONG, GRANT, DENIED)),
    "after the end": dataclasses.replace(GOOD, now=NOON + 1000),
    "many events": dataclasses.replace(GOOD, events=GOOD.events * 20),
}


def _drawn(seen: Observed, *, width: int, height: int = 24, blocks: bool = True) -> list[str]:
    """The lines as printed to paper wider than asked: what overflows would show."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(table(seen, width=width, height=height, blocks=blocks))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("seen", STATES.values(), ids=STATES)
def test_no_line_is_wider_than_the_terminal(seen: Observed, width: int) -> None:
    """And none is broken in two, but for the one to copy."""
    lines = _drawn(seen, width=width)
    assert max(cell_len(line) for line in lines) <= width
    assert "kubectl get akg -A -w" in lines[-1]


@pytest.mark.parametrize("clients", [(), (CLIENT, CLIENT, REFUSED)])
def test_it_fits_a_terminal_of_24_lines(clients: tuple[object, ...]) -> None:
    """One grant and three clients leave room for the events."""
    seen = dataclasses.replace(STATES["many events"], clients=clients)  # type: ignore[arg-type]
    assert len(_drawn(seen, width=80, height=24)) <= 23


def test_the_key_is_named_by_its_id_and_never_shown() -> None:
    """Grant, readiness, Secret, revision and key ID are in one row, at 80 columns too."""
    row = next(line for line in _drawn(GOOD, width=80) if line.startswith("chat/chat-key"))
    assert row.split() == [
        *("chat/chat-key", "True", "bedrockShortTermKey", "chat-key", "4", "ASIAEXAMPLE000000004")
    ]


@pytest.mark.parametrize(
    ("after", "drawn"),
    [
        (-5, "---------|-----"),
        (0, "---------|-----"),
        (5, "#####----|-----"),
        (12, "#########|##---"),
        (99, "#########|#####"),
    ],
)
def test_a_bar_goes_from_issue_to_end_with_the_renewal_marked(after: float, drawn: str) -> None:
    """One character a second, for a key of fifteen."""
    assert lifetime(key(), now=NOON + after, width=15, glyphs=ASCII).plain == drawn


def test_a_terminal_without_blocks_gets_ascii() -> None:
    """The bar is drawn with what every terminal has."""
    bar = _drawn(GOOD, width=80, blocks=False)[7]
    assert bar.isascii()
    assert "#" in bar


def test_the_picture_stands_alone(tmp_path: Path) -> None:
    """An SVG of the table that fetches nothing from anywhere."""
    file = tmp_path / "demo.svg"
    picture(GOOD, file=file)
    drawn = file.read_text()
    assert drawn.startswith("<svg")
    assert "ASIAEXAMPLE000000004" in drawn
    assert "@font-face" not in drawn
    assert "url(http" not in drawn
