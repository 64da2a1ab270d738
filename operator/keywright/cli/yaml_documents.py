"""Read the objects of YAML documents.

Documents are separated as kubectl separates them, at lines that begin with `---`, so that an error
in one document leaves the others readable. A value is what the API server would store: times and
sexagesimal numbers stay text. Input is untrusted: nesting and the values behind aliases are
bounded.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from keywright.api.checks import MAX_LEVELS
from keywright.api.names import API_VERSION, GRANT_KIND, GROUP, SOURCE_KIND
from keywright.cli.manifests import (
    Manifest,
    Node,
    Position,
    ProblemKind,
    ReadNote,
    ReadProblem,
    ReadResult,
    child_of,
    list_of,
    mapping_of,
)
from keywright.cli.template_syntax import BRACES, is_template, template_line
from keywright.cli.yaml_scalars import scalar_of, without_surrogates

MOST_VALUES: Final = 200_000
"""Maximum number of values of a document, with aliases expanded."""
KUSTOMIZATIONS: Final = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
_OUR_KINDS: Final = (GRANT_KIND, SOURCE_KIND)
_SEPARATOR: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_DIRECTIVE: Final = re.compile(r"\A(?:[%#][^\n]*\n|\s*\n)*")


def read_documents(text: str, *, file: str, into: ReadResult) -> None:
    """Add the objects of a text, or why a document cannot be read."""
    for line, document in _documents(text):
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
        if Path(self.file).name in KUSTOMIZATIONS and body.get("kind", "Kustomization") in (
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
            found = child_of(node, "items")
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


def _loader_type() -> Any:
    """PyYAML's loader, in C where it has been built with libyaml; only nodes of it are used."""
    import yaml  # noqa: PLC0415

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
