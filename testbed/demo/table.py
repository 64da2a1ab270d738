"""The table on the terminal: a pure function of the observations and the available size."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from testbed.demo.bars import ASCII, BLOCKS, Glyphs, lifetime
from testbed.demo.observed import Client, Event, Grant, Observed, Place, Tone

_FEWEST_EVENTS = 3
_MOST_EVENTS = 12
# Two clock times and the seconds left; with enough width also the seconds until the renewal.
_BESIDE_BAR = 34
_BESIDE_BAR_WIDE = 52
_WIDE = 100
_LINES_BESIDE_EVENTS = 14
_LINES_OF_GRANT = 3
COMMANDS = "kubectl get akg -A -w  # or: keywright doctor grant chat-key -n chat"
"""A command to try in another terminal, and another one as its comment."""
_COLOURS = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "bold red"}


def table(seen: Observed, *, width: int, height: int, blocks: bool = True) -> RenderableType:
    """The whole table, at most `width` wide; with as many of the latest events as fit."""
    glyphs = BLOCKS if blocks else ASCII
    room = height - _LINES_BESIDE_EVENTS - _LINES_OF_GRANT * len(seen.grants) - len(seen.clients)
    events = seen.events[-min(max(room, _FEWEST_EVENTS), _MOST_EVENTS) :]
    return Group(
        _header(seen.place, elapsed=seen.elapsed_seconds),
        _grants(seen.grants),
        *_bars(seen, width=width, glyphs=glyphs),
        Text(),
        _clients(seen.clients),
        Text(),
        *(_event(event) for event in events),
        Text(),
        *_footer(seen.place),
    )


def _header(place: Place, *, elapsed: float) -> Panel:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True, min_width=len("operator"))
    lines.add_column(no_wrap=True, overflow="ellipsis")
    lines.add_row("cluster", place.cluster)
    lines.add_row("cloud", place.cloud)
    lines.add_row("operator", place.operator)
    minutes, seconds = divmod(int(elapsed), 60)
    title = Text(f" Keywright  {minutes}:{seconds:02} ", style="bold")
    return Panel(lines, title=title, title_align="left", border_style="dim")


def _columns(*names: str, right: Sequence[str] = (), squeezed: Sequence[str] = ()) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    for name in names:
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            # Long columns are truncated; a revision or a count never is.
            min_width=None if name in squeezed else len(name),
        )
    return made


def _grants(grants: Sequence[Grant]) -> Table:
    rows = _columns(
        *("GRANT", "READY", "KIND", "SECRET", "REV", "KEY ID"),
        right=("REV",),
        squeezed=("GRANT", "KIND", "SECRET", "KEY ID"),
    )
    for grant in grants:
        rows.add_row(
            grant.name,
            Text(grant.ready, style="green" if grant.ready == "True" else "yellow"),
            grant.kind,
            grant.secret,
            "" if grant.key is None else str(grant.key.revision),
            "" if grant.key is None else grant.key.key_id,
        )
    return rows


def _bars(seen: Observed, *, width: int, glyphs: Glyphs) -> Iterator[Text]:
    several = len(seen.grants) > 1
    for grant in seen.grants:
        if several:
            yield _line(grant.name, style="dim")
        if grant.key is None:
            yield _line(f"{grant.reason or 'Waiting'}: {grant.message or 'no key yet'}")
            continue
        key = grant.key
        wide = width >= _WIDE
        room = width - (_BESIDE_BAR_WIDE if wide else _BESIDE_BAR)
        bar = lifetime(key, now=seen.now, width=max(room, 10), glyphs=glyphs)
        left = max(key.expires_at - seen.now, 0.0)
        renewal = max(key.renew_at - seen.now, 0.0)
        yield Text.assemble(
            (_clock(key.issued_at), "dim"),
            " ",
            bar,
            " ",
            (_clock(key.expires_at), "dim"),
            f"{left:8.1f} s left",
            f", renewal in {renewal:.1f} s" if wide else "",
            no_wrap=True,
            overflow="ellipsis",
        )


def _clients(clients: Sequence[Client]) -> Table:
    rows = _columns(
        *("CLIENT", "OK", "FAILED", "KEY AGE", "LAST ANSWER"),
        right=("OK", "FAILED", "KEY AGE"),
        squeezed=("CLIENT", "LAST ANSWER"),
    )
    for client in clients:
        rows.add_row(
            client.name,
            Text(str(client.succeeded), style="green" if client.succeeded else ""),
            Text(str(client.failed), style="bold red" if client.failed else ""),
            "" if client.key_age_seconds is None else f"{client.key_age_seconds:.1f} s",
            Text(client.answer.replace("\n", " ")),
        )
    if not clients:
        rows.add_row(Text("starting: they read the Secret as a pod would", style="dim"))
    return rows


def _event(event: Event) -> Text:
    line = _line(f"{event.seconds:6.1f} s  {event.text}")
    line.stylize(_COLOURS[event.tone], 10)
    line.stylize("dim", 0, 10)
    return line


def _footer(place: Place) -> Iterator[Text]:
    yield _line("In another terminal (Ctrl-C in this one stops it all):", style="dim")
    # Wrapped, never truncated: it is meant to be copied.
    yield Text(f"  {place.environment}", style="bold", overflow="fold")
    yield _line(f"  {COMMANDS}", style="bold")


def _line(text: str, *, style: str = "") -> Text:
    return Text(text.replace("\n", " "), style=style, no_wrap=True, overflow="ellipsis")


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
