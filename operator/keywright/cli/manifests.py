"""The objects of manifests with the positions of their fields, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

_STEP: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


class Mark(Protocol):
    """A place in a document, counted from 0."""

    line: int
    column: int


class Node(Protocol):
    """A node of PyYAML; `id` is `scalar`, `sequence` or `mapping`."""

    id: str
    tag: str
    value: Any
    style: str | None
    start_mark: Mark


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ProblemKind(StrEnum):
    """Why a document, or a part of it, cannot be read."""

    SYNTAX = "syntax"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """A document that cannot be read, or a field that occurs twice; `cure` says what to do."""

    kind: ProblemKind
    position: Position
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class ReadNote:
    """Something that was left out, and why, as a sentence without the full stop."""

    position: Position
    message: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object, with the positions of its fields."""

    body: Mapping[str, Any]
    file: str
    node: Node = field(repr=False)
    first_line: int

    @property
    def api_version(self) -> str:
        """`apiVersion`."""
        return str(self.body.get("apiVersion", ""))

    @property
    def group(self) -> str:
        """The API group; empty for the core API."""
        return self.api_version.rpartition("/")[0]

    @property
    def kind(self) -> str:
        """`kind`."""
        return str(self.body.get("kind", ""))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """`metadata`; empty if it is not an object."""
        return mapping_of(self.body.get("metadata"))

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return str(self.metadata.get("name") or "")

    @property
    def namespace(self) -> str | None:
        """`metadata.namespace`; None where another tool sets it."""
        found = self.metadata.get("namespace")
        return str(found) if found else None

    @property
    def annotations(self) -> Mapping[str, Any]:
        """`metadata.annotations`."""
        return mapping_of(self.metadata.get("annotations"))

    def position(self, *path: str | int) -> Position:
        """The position of a field; of the closest field above it if it is absent."""
        node, mark = self.node, self.node.start_mark
        for step in path:
            found = child_of(node, step)
            if found is None:
                break
            key, node = found
            mark = (key or node).start_mark
        return Position(self.file, self.first_line + mark.line, mark.column + 1)

    def position_of(self, field_path: str) -> Position:
        """The position of a field written as in messages: `spec.secret.data[app.ini]`."""
        steps: list[str | int] = []
        for inside, name in _STEP.findall(field_path):
            steps.append(int(inside) if inside.isdecimal() else inside or name)
        return self.position(*steps)


@dataclass(slots=True)
class ReadResult:
    """Everything that was read."""

    manifests: list[Manifest] = field(default_factory=list)
    kustomizations: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: list[ReadProblem] = field(default_factory=list)
    notes: list[ReadNote] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How much was read or left out."""
        read = len(self.manifests) + len(self.kustomizations)
        return read + len(self.problems) + len(self.notes)


def mapping_of(value: object) -> Mapping[str, Any]:
    """The value if it is an object, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


def list_of(value: object) -> Sequence[Any]:
    """The value if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else ()


def texts_of(value: object) -> frozenset[str]:
    """The texts in a list; other items and other values are left out."""
    return frozenset(each for each in list_of(value) if isinstance(each, str))


def child_of(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    """The key and the value of a member, or an item of a list; None if it is absent."""
    if node.id == "sequence":
        is_item = isinstance(step, int) and 0 <= step < len(node.value)
        return (None, node.value[step]) if is_item else None
    if node.id != "mapping":
        return None
    merges: list[Node] = []
    last: tuple[Node, Node] | None = None
    for key, below in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            merges += below.value if below.id == "sequence" else [below]
        elif key.value == str(step):
            last = (key, below)
    if last is not None:
        return last
    return next((found for merge in merges if (found := child_of(merge, step))), None)
