"""The table of the chart's values in docs/install.md, made from values.yaml.

`python tests/values_table.py` writes it again; a test compares it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_ROOT = Path(__file__).resolve().parents[1]
VALUES = _ROOT / "manifests" / "chart" / "values.yaml"
DOCUMENT = _ROOT / "docs" / "install.md"
_PLACE = re.compile(r"(<!-- values: [^\n]*-->\n).*?(<!-- /values -->)", re.DOTALL)
_KEY = re.compile(r"^( *)([A-Za-z]+):")
_INDENT = 2


def described(text: str) -> Iterator[tuple[str, str]]:
    """The path of each value that has a comment right above it, and the comment."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("# "):
            comment.append(line.strip()[2:])
            continue
        key = _KEY.match(line)
        if key is None:
            comment = []
            continue
        path = [*path[: len(key[1]) // _INDENT], key[2]]
        if comment:
            yield ".".join(path), " ".join(comment)
        comment = []


def table() -> str:
    """Markdown, a row for each described value."""
    text = VALUES.read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    rows = [
        f"| `{path}` | {_shown(_at(values, path))} | {comment} |"
        for path, comment in described(text)
    ]
    return "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *rows, ""])


def with_table(document: str) -> str:
    """The document with the present table in its place."""
    return _PLACE.sub(lambda found: f"{found[1]}\n{table()}\n{found[2]}", document)


def _at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


def _shown(value: Any) -> str:
    return "" if value in ("", None) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
