"""The JSONPath of printer columns: members, indexes, `[*]` and filters that compare with a text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.documents import Document, Value

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP: Final = re.compile(
    r"""\.(?P<member>(?:[\w-]|\\.)+)
      | \[\?\(@\.(?P<field>[\w.-]+)\s*==\s*(?P<quote>["'])(?P<text>.*?)(?P=quote)\)\]
      | \[(?P<index>-?\d+)\]
      | \[['"](?P<key>[^'"]+)['"]\]
      | (?P<every>\[\*\])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class PathSyntaxError(ValueError):
    """A path that this subset does not support."""

    path: str


def compile_path(path: str) -> Callable[[Document], list[Value]]:
    """A function that returns everything the path finds; raises PathSyntaxError."""
    steps: list[re.Match[str]] = []
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise PathSyntaxError(path)
        steps.append(step)
        position = step.end()

    def find(document: Document) -> list[Value]:
        values: list[Value] = [document]
        for step in steps:
            values = [found for value in values for found in _follow(value, step)]
        return values

    return find


def _follow(value: Value, step: re.Match[str]) -> list[Value]:
    name = step["member"] or step["key"]
    if name is not None:
        name = name.replace("\\", "")
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if step["every"]:
        return value
    if step["index"] is not None:
        try:
            return [value[int(step["index"])]]
        except IndexError:
            return []
    return [item for item in value if _member(item, step["field"]) == step["text"]]


def _member(item: Value, path: str) -> Value:
    for name in path.split("."):
        item = item.get(name) if isinstance(item, dict) else None
    return item
