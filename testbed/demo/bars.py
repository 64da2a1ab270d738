"""The lifetime of a key as a bar: elapsed time, the renewal, remaining time."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from testbed.demo.observed import Key

_URGENT = 0.9


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of a bar."""

    over: str
    left: str
    renewal: str


BLOCKS = Glyphs(over="█", left="░", renewal="┃")
ASCII = Glyphs(over="#", left="-", renewal="|")


def lifetime(key: Key, *, now: float, width: int, glyphs: Glyphs) -> Text:
    """`width` characters from issue to expiry; the mark of the renewal is always inside."""
    over = _position(key, now, width=width)
    renewal = min(_position(key, key.renew_at, width=width), width - 1)
    spent = over / width if width else 0.0
    colour = "green" if now < key.renew_at else "yellow" if spent < _URGENT else "red"
    bar = Text(no_wrap=True)
    for cell in range(width):
        if cell == renewal:
            bar.append(glyphs.renewal, style="bold")
        elif cell < over:
            bar.append(glyphs.over, style=colour)
        else:
            bar.append(glyphs.left, style="dim")
    return bar


def _position(key: Key, moment: float, *, width: int) -> int:
    life = key.expires_at - key.issued_at
    share = (moment - key.issued_at) / life if life > 0 else 1.0
    return round(width * min(max(share, 0.0), 1.0))
