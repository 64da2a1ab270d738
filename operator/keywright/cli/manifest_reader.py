"""Read Kubernetes manifests from files, folders and standard input, with positions of fields.

Documents are separated as kubectl separates them, at lines that begin with `---`, so that an error
in one document leaves the others readable. A value is what the API server would store: times and
sexagesimal numbers stay text. Input is untrusted: bytes, nesting and the values behind aliases are
bounded.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from keywright.api.checks import MAX_LEVELS
from keywright.api.names import API_VERSION, GRANT_KIND, GROUP, SOURCE_KIND
from keywright.cli.template_syntax import BRACES, is_template, template_line
from keywright.cli.yaml_scalars import scalar_of, without_surrogates

MOST_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of a file; a rendered repository of some thousand objects has a few MiB."""
MOST_VALUES: Final = 200_000
"""Maximum number of values of a document, with aliases expanded."""
STDIN: Final = "<stdin>"
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_SEPARATOR: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_DIRECTIVE: Final = re.compile(r"\A(?:[%#][^\n]*\n|\s*\n)*")
_STEP: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
_CHART: Final = "Chart.yaml"
_OUR_KINDS: Final = (GRANT_KIND, SOURCE_KIND)
_KUSTOMIZATIONS: Final = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


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
            found = _child(node, step)
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


def read_paths(paths: Iterable[str], *, stdin: BinaryIO | None = None) -> ReadResult:
    """Read files, folders with everything below them, and standard input for `-`.

    Raises:
        OSError: a path that was given does not exist or cannot be opened.
    """
    result = ReadResult()
    for path in dict.fromkeys(paths):
        before = result.size
        if path == "-":
            read_bytes((stdin or sys.stdin.buffer).read(MOST_BYTES + 1), file=STDIN, into=result)
        elif Path(path).is_dir():
            for file in _files_below(Path(path), result):
                _read_file(file, into=result)
        else:
            with Path(path).open("rb") as stream:
                read_bytes(stream.read(MOST_BYTES + 1), file=path, into=result)
        if result.size == before:
            name = STDIN if path == "-" else path
            result.notes.append(ReadNote(Position(name), f"no object was found in {name}"))
    return result


def _files_below(root: Path, result: ReadResult) -> Iterator[Path]:
    """The manifests of a folder, without hidden folders and templates of Helm charts."""

    def refuse(error: OSError) -> None:
        if error.filename == str(root):
            raise error
        result.problems.append(_cannot_open(str(error.filename), error))

    for name, folders, files in os.walk(root, onerror=refuse):
        here = Path(name)
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        if _CHART in files and "templates" in folders:
            folders.remove("templates")
            message = (
                "the templates of a Helm chart are left out:"
                f" run `helm template {here} | keywright lint -`"
            )
            result.notes.append(ReadNote(Position(str(here / "templates")), message))
        for file in sorted(files):
            path = here / file
            if (path.suffix in _SUFFIXES or file in _KUSTOMIZATIONS) and path.is_file():
                yield path


def _read_file(path: Path, *, into: ReadResult) -> None:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        into.problems.append(_cannot_open(str(path), error))
        return
    if path.suffix == ".json" and b'"apiVersion"' not in data:
        return
    read_bytes(data, file=str(path), into=into)


def _cannot_open(path: str, error: OSError) -> ReadProblem:
    return ReadProblem(
        ProblemKind.UNREADABLE,
        Position(path),
        f"{path} cannot be opened ({error.strerror})",
        "allow the command to read it, or leave it out",
    )


def read_bytes(data: bytes, *, file: str, into: ReadResult) -> None:
    """Read the documents of one file."""
    problem = cure = text = ""
    if len(data) > MOST_BYTES:
        problem, cure = f"is larger than {MOST_BYTES // 1024 // 1024} MiB", "split the file"
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem, cure = f"is no UTF-8 text (byte {error.start})", "save it as UTF-8"
    if problem:
        message = f"the file {problem}"
        into.problems.append(ReadProblem(ProblemKind.UNREADABLE, Position(file), message, cure))
        return
    for line, document in _documents(text.replace("\r\n", "\n")):
        _Document(file=file, line=line, text=document, result=into).read()


def _documents(text: str) -> Iterator[tuple[int, str]]:
    """Each document with the number of its first line."""
    starts = [0, *(found.start() for found in _SEPARATOR.finditer(text)), len(text)]
    line = 1
    for index, (start, end) in enumerate(itertools.pairwise(starts)):
        part = text[start:end]
        # Blanks in place of the separator keep the columns of what follows it on the line.
        document = part if index == 0 else "   " + part[3:]
        if ":" in document:
            yield line, document
        line += part.count("\n")


@dataclass(slots=True)
class _Document:
    """One document while it is read."""

    file: str
    line: int
    text: str
    result: ReadResult
    values: int = 0
    duplicates: list[tuple[str, Node]] = field(default_factory=list)

    def read(self) -> None:
        """Add the objects of the document, or why it cannot be read."""
        import yaml  # noqa: PLC0415  belongs to the extra `cli`, and takes 20 ms

        text = _DIRECTIVE.sub(lambda found: "\n" * found[0].count("\n"), self.text, count=1)
        if text.lstrip().startswith("{"):
            text = without_surrogates(text)
        loader = _loader_type()(text)
        try:
            _check_depth(text)
            while loader.check_node():
                self._add(loader.get_node())
        except _TemplateError:
            self._skip_template()
        except yaml.YAMLError as error:
            self._add_error(error)
        except _LimitError as error:
            message = f"the document {error}"
            self._problem(ProblemKind.UNREADABLE, error.node, message, cure=error.cure)
        finally:
            loader.dispose()

    def _add_error(self, error: Exception) -> None:
        if self._skip_template():
            return
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line, mark.column + 1) if mark is not None else (0, 1)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "invalid"
        self.result.problems.append(
            ReadProblem(
                ProblemKind.SYNTAX,
                Position(self.file, self.line + line, column),
                f"the document is no YAML: {what}",
                "correct the indentation or the quotes at this place",
            )
        )

    def _skip_template(self) -> bool:
        """Add a note if the document is a template."""
        line = template_line(self.text)
        if line is not None:
            self._skip(self.line + line)
        return line is not None

    def _skip(self, line: int) -> None:
        position = Position(self.file, line)
        message = (
            "the file is a template: lint what it is rendered to, for example with `helm template`"
        )
        self.result.notes.append(ReadNote(position, message))

    def _problem(self, kind: ProblemKind, node: Node, message: str, *, cure: str) -> None:
        mark = node.start_mark
        position = Position(self.file, self.line + mark.line, mark.column + 1)
        self.result.problems.append(ReadProblem(kind, position, message, cure))

    def _add(self, node: Node) -> None:
        body = self._value(node, 0)
        if not isinstance(body, dict):
            self._add_list(body, node)
            return
        if Path(self.file).name in _KUSTOMIZATIONS and body.get("kind", "Kustomization") in (
            "Kustomization",
            "Component",
        ):
            self.result.kustomizations[self.file] = body
            return
        if not self._is_object(body, node):
            return
        for name, key in self.duplicates:
            message = f"{name} occurs twice in this object"
            self._problem(ProblemKind.DUPLICATE, key, message, cure="remove one of the two")
        self._add_object(body, node)

    def _add_list(self, body: Any, node: Node) -> None:
        """Report our objects in a list, which kubectl refuses; other lists are no manifests."""
        if any(_is_ours(mapping_of(item)) for item in list_of(body)):
            message = "the document is a list of objects, which kubectl refuses"
            cure = "separate the objects with lines of ---"
            self._problem(ProblemKind.INCOMPLETE, node, message, cure=cure)

    def _is_object(self, body: Mapping[str, Any], node: Node) -> bool:
        """Whether a mapping has a kind and a version; one of ours without them is reported."""
        missing = [each for each in ("apiVersion", "kind") if not isinstance(body.get(each), str)]
        if not missing:
            return True
        if _is_ours(body):
            message = f"an object of Keywright has no {missing[0]}"
            kinds = f"{GRANT_KIND} or {SOURCE_KIND}"
            cure = f"add {missing[0]}: {kinds if missing[0] == 'kind' else API_VERSION}"
            self._problem(ProblemKind.INCOMPLETE, node, message, cure=cure)
        return False

    def _add_object(self, body: dict[str, Any], node: Node) -> None:
        if body["kind"].endswith("List") and isinstance(body.get("items"), list):
            found = _child(node, "items")
            assert found is not None
            kind = body["kind"].removesuffix("List")
            inherited = {"apiVersion": body["apiVersion"], "kind": kind} if kind else {}
            for item, below in zip(body["items"], found[1].value, strict=True):
                if isinstance(item, dict) and self._is_object(inherited | item, below):
                    self._add_object(inherited | item, below)
            return
        manifest = Manifest(body, self.file, node, self.line)
        if BRACES in self.text and is_template(body, group=manifest.group):
            self._skip(manifest.position().line)
            return
        self.result.manifests.append(manifest)

    def _value(self, node: Node, level: int) -> Any:
        """The JSON value of a node; raises _LimitError."""
        self.values += 1
        if self.values > MOST_VALUES:
            raise _LimitError(f"has more than {MOST_VALUES} values, aliases included", node)
        if level > MAX_LEVELS:
            raise _LimitError(f"is nested more than {MAX_LEVELS} levels deep", node)
        if node.id == "scalar":
            return scalar_of(node.tag, node.value, is_plain=not node.style)
        if node.id == "sequence":
            return [self._value(item, level + 1) for item in node.value]
        return self._mapping(node, level)

    def _mapping(self, node: Node, level: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, below in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                found = self._value(below, level + 1)
                for each in found if isinstance(found, list) else [found]:
                    merged = {**mapping_of(each), **merged}
                continue
            if key.id != "scalar":
                if template_line(self.text) is not None:
                    raise _TemplateError
                raise _LimitError("has a key that is no text", key, cure="use a text as the key")
            if key.value in values:
                self.duplicates.append((key.value, key))
            values[key.value] = self._value(below, level + 1)
        return merged | values


class _LimitError(Exception):
    """A document exceeds a limit."""

    def __init__(self, message: str, node: Node, *, cure: str = "split the file") -> None:
        super().__init__(message)
        self.node = node
        self.cure = cure


class _TemplateError(Exception):
    """The document is a template that YAML can parse."""


def _is_ours(body: Mapping[str, Any]) -> bool:
    group = str(body.get("apiVersion", "")).rpartition("/")[0]
    return body.get("kind") in _OUR_KINDS or group == GROUP


def _check_depth(text: str) -> None:
    """Raise _LimitError for nesting that libyaml's composer, which is recursive, cannot bear."""
    parser = _loader_type()(text)
    level = values = 0
    try:
        while parser.check_event():
            event = parser.get_event()
            change = _LEVELS.get(type(event).__name__, 0)
            level, values = level + change, values + (change >= 0)
            if values > MOST_VALUES:
                raise _LimitError(f"has more than {MOST_VALUES} values", event)
            if level > MAX_LEVELS:
                raise _LimitError(f"is nested more than {MAX_LEVELS} levels deep", event)
    finally:
        parser.dispose()


_LEVELS: Final = {
    "MappingStartEvent": 1,
    "SequenceStartEvent": 1,
    "MappingEndEvent": -1,
    "SequenceEndEvent": -1,
}


def _child(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
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
    return next((found for merge in merges if (found := _child(merge, step))), None)


def _loader_type() -> Any:
    """PyYAML's loader, in C where it has been built with libyaml; only nodes of it are used."""
    import yaml  # noqa: PLC0415

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
