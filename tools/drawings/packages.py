"""The packages of the operator and their imports, read from the source."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tools.drawings import svg

_ROOT: Final = Path(__file__).resolve().parents[2]
_SOURCE: Final = _ROOT / "operator" / "keywright"
_PROJECT: Final = _ROOT / "pyproject.toml"
PURE: Final = frozenset({"api", "planning", "secrets"})
"""Packages without I/O, as the layers of pyproject.toml enforce."""
IO: Final = frozenset({"clouds", "cluster", "telemetry", "sidecar"})
"""Packages that talk to other systems."""
_WIDTH: Final = 760
_GAP: Final = 14
_ROW_GAP: Final = 42
_LINE: Final = 17
_CHARACTER: Final = 6.6


def imports() -> dict[str, frozenset[str]]:
    """Each package, and the packages of the operator that its modules import."""
    packages = sorted(path.parent.name for path in _SOURCE.glob("*/__init__.py"))
    return {
        package: frozenset(
            target
            for path in (_SOURCE / package).rglob("*.py")
            for target in _imported(path)
            if target in packages and target != package
        )
        for package in packages
    }


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "keywright" and rest:
                yield rest.partition(".")[0]


def reduced(graph: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The imports that no longer path implies."""

    @cache
    def reachable(package: str) -> frozenset[str]:
        return graph[package].union(*(reachable(target) for target in graph[package]))

    return {
        package: frozenset(
            target
            for target in targets
            if not any(target in reachable(other) for other in targets - {target})
        )
        for package, targets in graph.items()
    }


def layers() -> list[list[str]]:
    """The layers of pyproject.toml, the highest first."""
    settings = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each["type"] == "layers"]
    return [layer.split(" | ") for layer in contract["layers"]]


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float
    lines: tuple[str, ...]


def packages_drawing() -> str:
    """The drawing."""
    graph = reduced(imports())
    boxes = _boxes(graph, layers())
    parts = [
        svg.arrow(x, boxes[package].bottom, x, boxes[target].top - 2)
        for package, targets in sorted(graph.items())
        for target in sorted(targets)
        for x in [_middle(boxes[package], boxes[target])]
    ]
    for package, box in boxes.items():
        kind = "pure" if package in PURE else "io" if package in IO else "box"
        parts.append(svg.box(box.left, box.top, box.right - box.left, box.bottom - box.top, kind))
        parts.append(svg.text(box.left + 12, box.top + 24, package, "title"))
        parts += [
            svg.text(box.left + 12, box.top + 44 + _LINE * number, line, "small")
            for number, line in enumerate(box.lines)
        ]
    height = max(box.bottom for box in boxes.values()) + 40
    legend = "Blue: pure, no I/O. Yellow: I/O. An arrow: imports, also all below it."
    parts.append(svg.text(_GAP, height - 14, legend, "small"))
    title = "The packages of the operator, and which imports which"
    return svg.drawing(parts, width=_WIDTH, height=height, title=title)


def _boxes(graph: Mapping[str, frozenset[str]], rows: Sequence[Sequence[str]]) -> dict[str, _Box]:
    """The box of each package; those of a row have the same height."""
    extents = _extents(graph, rows)
    found = {}
    top = float(_GAP)
    for row in rows:
        texts = {
            package: tuple(
                textwrap.wrap(_description(package), int((right - left - 20) / _CHARACTER))
            )
            for package in row
            for left, right in [extents[package]]
        }
        bottom = top + 40 + _LINE * max(map(len, texts.values()))
        for package in row:
            found[package] = _Box(*extents[package], top, bottom, texts[package])
        top = bottom + _ROW_GAP
    return found


def _extents(
    graph: Mapping[str, frozenset[str]], rows: Sequence[Sequence[str]]
) -> dict[str, tuple[float, float]]:
    """Left and right of each box, so that every arrow is vertical and crosses no box.

    The widest layer has columns; a box above it spans what it imports, one below its importers.
    """
    widest = max(rows, key=len)
    width = (_WIDTH - _GAP * (len(widest) + 1)) / len(widest)
    # Left is what imports most, right what only the highest layer imports: boxes above and below
    # leave room for the arrows that pass them.
    lowest_importer = {
        package: max(
            number
            for number, row in enumerate(rows)
            if any(package in graph[other] for other in row)
        )
        for package in widest
    }
    ordered = sorted(
        widest,
        key=lambda package: (-_depth(package, graph), -lowest_importer[package], package),
    )
    found: dict[str, tuple[float, float]] = {}
    for number, package in enumerate(ordered):
        left = _GAP + number * (width + _GAP)
        found[package] = (left, left + width)
    middle = list(rows).index(widest)
    for row in reversed(rows[:middle]):
        for package in row:
            found[package] = _span(found[target] for target in graph[package])
    for row in rows[middle + 1 :]:
        for package in row:
            importers = [other for other in graph if package in graph[other]]
            found[package] = _span(found[importer] for importer in importers)
    return found


def _depth(package: str, graph: Mapping[str, frozenset[str]]) -> int:
    return 1 + max((_depth(target, graph) for target in graph[package]), default=0)


def _span(extents: Iterable[tuple[float, float]]) -> tuple[float, float]:
    lefts, rights = zip(*extents, strict=True)
    return min(lefts), max(rights)


def _middle(one: _Box, other: _Box) -> float:
    return (max(one.left, other.left) + min(one.right, other.right)) / 2


def _description(package: str) -> str:
    """The first sentence of the package's docstring."""
    text = (_SOURCE / package / "__init__.py").read_text(encoding="utf-8")
    words = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    return re.split(r"(?<=\.)\s", words)[0]
