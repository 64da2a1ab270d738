"""Boxes, arrows and text as SVG."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

_STYLE: Final = """\
text{font-family:system-ui,sans-serif;font-size:14px;fill:#1f2328}
.title{font-weight:600;font-size:15px}.small{font-size:13px;fill:#4b5563}
.box{fill:#f6f8fa;stroke:#57606a}.pure{fill:#e0f2fe;stroke:#0369a1}.io{fill:#fef9c3;stroke:#92400e}
.halo{paint-order:stroke;stroke:#fff;stroke-width:4px}
.arrow{stroke:#57606a;stroke-width:1.4;fill:none;marker-end:url(#head)}.lane{stroke:#d1d5db}
"""
_HEAD: Final = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
    ' markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#57606a"/></marker></defs>'
)


def drawing(parts: Iterable[str], *, width: float, height: float, title: str) -> str:
    """The file, on a white ground."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' role="img">\n<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n{_HEAD}\n'
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A rectangle; `kind` is `box`, `pure` or `io`."""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}"'
        f' height="{height:.1f}" rx="6"/>'
    )


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    """One line."""
    place = f'x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(words)}</text>"


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight arrow."""
    return f'<path class="arrow" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def lane(x: float, y1: float, y2: float) -> str:
    """A vertical line."""
    return f'<line class="lane" x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'
