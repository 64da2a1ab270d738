"""`make scale`: print the table of docs/scale.md, and draw its curves."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from tools.drawings import svg
from tools.scale.model import LEADER_ALONE_PER_SECOND, RENEWALS_PER_SECOND, Cost, Load, cost_of

_DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
_PAGE: Final = _DOCS / "scale.md"
_PICTURE: Final = _DOCS / "scale.svg"
_PLACE: Final = re.compile(r"(<!-- scale: [^\n]*-->\n).*?(<!-- /scale -->)", re.DOTALL)
GRANTS: Final = (100, 10_000, 1_000_000)
LIFETIMES: Final = (timedelta(hours=1), timedelta(hours=12))
PER_SOURCE: Final = 10
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 760.0, 420.0, 70.0, 50.0, 360.0
_RIGHT: Final = 560.0
_DECADES: Final = (2, 6)
_RATES: Final = (-3, 4)
_COLORS: Final = ("#0369a1", "#b45309")


def table() -> str:
    """Markdown: a row for each number of grants and lifetime."""
    head = (
        "| grants | lifetime | renewals/s | writes/s | STS calls/s | cores | memory | etcd |"
        " all at once: due/s, STS calls/s | last one late by |"
    )
    rows = [
        _row(grants, lifetime, cost_of(Load(grants, lifetime, PER_SOURCE)))
        for lifetime in LIFETIMES
        for grants in GRANTS
    ]
    return "\n".join([head, "| ---: " * 10 + "|", *rows, ""])


def picture() -> str:
    """Renewals per second by the number of grants, with the limits of a leader."""
    parts = [svg.text(_LEFT, 26, "Renewals per second, by the number of grants", "title")]
    for decade in range(_DECADES[0], _DECADES[1] + 1):
        x = _x(10.0**decade)
        parts += [svg.lane(x, _TOP, _BOTTOM)]
        parts += [svg.text(x, _BOTTOM + 22, f"{10**decade:,}", "small", anchor="middle")]
    for decade in range(_RATES[0], _RATES[1] + 1):
        y = _y(10.0**decade)
        parts += [f'<line class="lane" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>']
        parts += [svg.text(_LEFT - 8, y + 5, f"{10.0**decade:g}", "small", anchor="end")]
    parts += [svg.text((_LEFT + _RIGHT) / 2, _BOTTOM + 46, "grants", "small", anchor="middle")]
    limits = (
        (RENEWALS_PER_SECOND, "two cores for everything"),
        (LEADER_ALONE_PER_SECOND, "one core for the leader alone"),
    )
    # Apart from each other, although the lines are close.
    for (rate, words), shift in zip(limits, (16, -6), strict=True):
        y = _y(rate)
        parts += [
            (
                f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#b91c1c"'
                ' stroke-dasharray="6 4"/>'
            ),
            svg.text(_RIGHT + 8, y + shift, words, "small"),
        ]
    for lifetime, color in zip(LIFETIMES, _COLORS, strict=True):
        parts += _curve(lifetime, color)
    return svg.drawing(parts, width=_WIDTH, height=_HEIGHT, title="Renewals per second")


def _curve(lifetime: timedelta, color: str) -> list[str]:
    points = [10 ** (_DECADES[0] + step / 4) for step in range(4 * (_DECADES[1] - _DECADES[0]) + 1)]
    rates = [cost_of(Load(int(grants), lifetime, PER_SOURCE)).renewals for grants in points]
    line = "L".join(f"{_x(g):.1f} {_y(r):.1f}" for g, r in zip(points, rates, strict=True))
    label = f"keys of {_hours(lifetime)}"
    return [
        f'<path d="M{line}" fill="none" stroke="{color}" stroke-width="2.5"/>',
        svg.text(_RIGHT + 8, _y(rates[-1]) + (-12 if lifetime == LIFETIMES[0] else 5), label),
    ]


def _x(grants: float) -> float:
    share = (math.log10(grants) - _DECADES[0]) / (_DECADES[1] - _DECADES[0])
    return _LEFT + share * (_RIGHT - _LEFT)


def _y(rate: float) -> float:
    share = (math.log10(rate) - _RATES[0]) / (_RATES[1] - _RATES[0])
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _row(grants: int, lifetime: timedelta, cost: Cost) -> str:
    late = "expired" if cost.is_late else _seconds(cost.worst_lateness)
    cells = [
        f"{grants:,}",
        _hours(lifetime),
        *map(_rate, (cost.renewals, cost.api_writes, cost.sts_calls, cost.cores)),
        f"{cost.memory / 1e6:,.0f} MB",
        f"{cost.etcd_bytes / 1e6:,.0f} MB",
        f"{_rate(cost.worst_peak)}, {_rate(cost.worst_sts_peak)}",
        late,
    ]
    return f"| {' | '.join(cells)} |"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _hours(lifetime: timedelta) -> str:
    return f"{lifetime.total_seconds() / 3600:g} h"


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def with_table(page: str) -> str:
    """The page with the current table in its place."""
    return _PLACE.sub(lambda found: f"{found[1]}\n{table()}\n{found[2]}", page)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table and the picture; with --check, return 1 if they are out of date."""
    parser = argparse.ArgumentParser(prog="tools.scale", description=__doc__)
    parser.add_argument("--check", action="store_true")
    page = _PAGE.read_text(encoding="utf-8")
    new = ((_PAGE, with_table(page)), (_PICTURE, picture()))
    if parser.parse_args(arguments).check:
        old = [path for path, text in new if path.read_text(encoding="utf-8") != text]
        for path in old:
            print(f"{path}: out of date: run make scale")
        return int(bool(old))
    for path, text in new:
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
