"""Draw the panels as SVG: stats, bars and lines, with the values that Prometheus returns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Protocol

from tools.dashboard.panels import PANELS, Panel, Query
from tools.dashboard.prometheus import Series

_WIDTH: Final = 680
_GAP: Final = 8
_STAT_HEIGHT: Final = 66
_PANEL_HEIGHT: Final = 224
_STEP_SECONDS: Final = 2.0
_VARIABLES: Final = {"$namespace": ".*", "$__rate_interval": "20s"}
_COLORS: Final = ("#3f51b5", "#c2410c", "#0f766e", "#a21caf", "#4d7c0f", "#0369a1", "#b91c1c")
_LEGEND_LINES: Final = 4
_MOST_SERIES: Final = 6
_STYLE: Final = """\
text{font-family:system-ui,sans-serif;font-size:13px;fill:#1f2937}
.title{font-size:14px;font-weight:600}.small{font-size:12px;fill:#4b5563}
.value{font-size:24px;font-weight:600;fill:#1e3a8a}.panel{fill:#fff;stroke:#d1d5db}
.grid{stroke:#e5e7eb}.line{fill:none;stroke-width:2}
"""


class Answers(Protocol):
    """The queries of Prometheus."""

    def query(self, expression: str, *, at: float) -> list[Series]:
        """The instant vector of an expression."""

    def query_range(
        self, expression: str, *, start: float, end: float, step: float
    ) -> list[Series]:
        """The values of an expression at each step."""


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Line:
    legend: str
    color: str
    samples: tuple[tuple[float, float], ...]


def drawn(prometheus: Answers, *, start: float, end: float) -> str:
    """The picture of the time from `start` to `end`."""
    parts: list[str] = []
    stats = [panel for panel in PANELS if panel.kind == "stat"]
    others = [panel for panel in PANELS if panel.kind != "stat"]
    y = float(_GAP)
    for columns, panels in ((3, stats), (2, others)):
        width = (_WIDTH - _GAP * (columns + 1)) / columns
        height = _STAT_HEIGHT if panels is stats else _PANEL_HEIGHT
        for number, panel in enumerate(panels):
            if number and number % columns == 0:
                y += height + _GAP
            box = _Box(_GAP + number % columns * (width + _GAP), y, width, height)
            parts += _panel(panel, box, prometheus, start=start, end=end)
        y += height + _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:.0f}" role="img">\n'
        "<title>The dashboard of Keywright, from a run of three minutes</title>\n"
        f'<style>\n{_STYLE}</style>\n<rect width="{_WIDTH}" height="{y:.0f}" fill="#f3f4f6"/>\n'
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def _panel(
    panel: Panel, box: _Box, prometheus: Answers, *, start: float, end: float
) -> Iterator[str]:
    yield (
        f'<rect class="panel" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}"'
        f' height="{box.height:.1f}" rx="3"/>'
    )
    yield _text(box.x + 10, box.y + 20, panel.title, "title")
    if panel.kind == "stat":
        yield from _stat(panel, box, prometheus, at=end)
    elif panel.kind == "bargauge":
        yield from _bars(panel, box, prometheus, at=end)
    else:
        yield from _chart(
            panel, box, _lines(panel, prometheus, start=start, end=end), seconds=end - start
        )


def _stat(panel: Panel, box: _Box, prometheus: Answers, *, at: float) -> Iterator[str]:
    (query,) = panel.queries
    found = prometheus.query(_filled(query), at=at)
    if panel.text_mode == "name":
        shown = ", ".join(_legend(query, series) for series in found)
    else:
        shown = formatted(found[0].samples[-1][1], panel.unit) if found else "no data"
    yield _text(box.x + 10, box.y + 52, shown, "value")


def _bars(panel: Panel, box: _Box, prometheus: Answers, *, at: float) -> Iterator[str]:
    found = [
        (_legend(query, series), series.samples[-1][1])
        for query in panel.queries
        for series in prometheus.query(_filled(query), at=at)
    ]
    most = max((value for _, value in found), default=0.0) or 1.0
    step = (box.height - 40) / max(len(found), 6)
    left, width = box.x + 136, box.width - 136 - 60
    for number, (name, value) in enumerate(found):
        y = box.y + 34 + number * step
        yield _text(box.x + 10, y + 13, name)
        yield (
            f'<rect x="{left:.1f}" y="{y + 2:.1f}" width="{max(1.0, width * value / most):.1f}"'
            f' height="{min(14.0, step - 3):.1f}" fill="{_COLORS[0]}"/>'
        )
        bar_end = left + width * value / most
        yield _text(bar_end + 6, y + 13, formatted(value, panel.unit))


def _lines(panel: Panel, prometheus: Answers, *, start: float, end: float) -> list[_Line]:
    found = [
        (_legend(query, series), series)
        for query in panel.queries
        for series in prometheus.query_range(
            _filled(query), start=start, end=end, step=_STEP_SECONDS
        )
    ]
    finite = [
        (legend, tuple((at - start, v) for at, v in series.samples if math.isfinite(v)))
        for legend, series in found
    ]
    highest = sorted(
        (pair for pair in finite if pair[1]),
        key=lambda pair: max(value for _, value in pair[1]),
        reverse=True,
    )
    kept = sorted(highest[:_MOST_SERIES])
    return [
        _Line(legend, _COLORS[number % len(_COLORS)], samples)
        for number, (legend, samples) in enumerate(kept)
    ]


def _chart(panel: Panel, box: _Box, lines: Sequence[_Line], *, seconds: float) -> Iterator[str]:
    shown = lines[:_LEGEND_LINES]
    plot = _Box(box.x + 56, box.y + 34, box.width - 70, box.height - 62 - 17 * max(1, len(shown)))
    top = _round_up(max((value for line in lines for _, value in line.samples), default=1.0))
    if panel.unit == "percentunit":
        top = 1.0
    for share in (0.0, 0.5, 1.0):
        y = plot.y + plot.height * (1 - share)
        yield (
            f'<line class="grid" x1="{plot.x:.1f}" x2="{plot.x + plot.width:.1f}" y1="{y:.1f}"'
            f' y2="{y:.1f}"/>'
        )
        yield _text(plot.x - 6, y + 4, formatted(top * share, panel.unit), "small", anchor="end")
    for minute in range(int(seconds // 60) + 1):
        x = plot.x + plot.width * minute * 60 / seconds
        anchor = "end" if x > plot.x + plot.width - 20 else "middle"
        yield _text(x, plot.y + plot.height + 16, f"{minute} min", "small", anchor=anchor)
    for line in lines:
        path = _path(line, plot, seconds=seconds, top=top)
        yield f'<path class="line" stroke="{line.color}" d="{path}"/>'
    for number, line in enumerate(shown):
        y = box.y + box.height - 8 - 17 * (len(shown) - 1 - number)
        yield (
            f'<rect x="{box.x + 10:.1f}" y="{y - 9:.1f}" width="10" height="10"'
            f' fill="{line.color}"/>'
        )
        more = len(lines) - len(shown) if number == len(shown) - 1 else 0
        yield _text(box.x + 26, y, line.legend + (f" and {more} more" if more else ""))
    if not lines:
        yield _text(box.x + 10, box.y + box.height - 8, "none in this run")


def _path(line: _Line, plot: _Box, *, seconds: float, top: float) -> str:
    """Line segments; a gap of more than two steps breaks the line."""
    parts, before = [], -math.inf
    for at, value in line.samples:
        x = plot.x + plot.width * at / seconds
        y = plot.y + plot.height * (1 - min(value, top) / top)
        word = "L" if at - before <= 2 * _STEP_SECONDS else "M"
        parts.append(f"{word}{x:.1f} {max(y, plot.y):.1f}")
        before = at
    return "".join(parts)


def formatted(value: float, unit: str) -> str:
    """A value with its unit, as short as Grafana writes it."""
    if unit == "s" and value:
        for least, size, name in ((7200, 3600, "h"), (300, 60, "min"), (1, 1, "s")):
            if abs(value) >= least:
                return f"{value / size:.3g} {name}"
        return f"{value * 1000:.3g} ms"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    suffix = {"ops": "/s", "reqps": "/s", "s": " s"}.get(unit, "")
    return f"{value:.3g}{suffix}"


def _round_up(value: float) -> float:
    """The next of 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return float(next(step * size for step in (1, 2, 5, 10) if step * size >= value * 0.999))


def _filled(query: Query) -> str:
    expression = query.expression
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def _legend(query: Query, series: Series) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: series.labels.get(match[1], ""), query.legend)


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (
        f' text-anchor="{anchor}"' if anchor else ""
    )
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(text)}</text>'
