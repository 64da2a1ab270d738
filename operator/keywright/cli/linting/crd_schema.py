"""Check an object against the schema of its CustomResourceDefinition, CEL rules included.

The checks are those of the API server for a new object: unknown fields, types, required fields,
bounds, then the rules of `x-kubernetes-validations`. A rule is evaluated only where the value has
the right structure. Results for texts are cached: most values of a repository repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final

from keywright.api.times import parse_time
from keywright.cli.crds import schemas_of

Path = tuple[str | int, ...]

_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_HEAD: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
_FIELD_OF_MESSAGE: Final = re.compile(r"^([a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)*): ")
_MOST_CACHED: Final = 20_000


class SchemaErrorKind(StrEnum):
    """Which part of the schema a value violates."""

    UNKNOWN = "unknown"
    STRUCTURE = "structure"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class SchemaError:
    """One error of an object: where, and what is wrong there."""

    kind: SchemaErrorKind
    path: Path
    message: str


def format_path(path: Path) -> str:
    """A path as messages write it: `spec.secret.data[app.ini]`."""
    text = ""
    for step in path:
        if isinstance(step, int) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", step):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def check_object(body: Mapping[str, Any]) -> list[SchemaError]:
    """Return the errors of an object whose kind and version have a schema."""
    version = str(body["apiVersion"]).rpartition("/")[2]
    schema = _compiled(str(body["kind"]), version)
    head = {name: value for name, value in body.items() if name not in _HEAD}
    return list(_errors(head, schema, ()))


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str
    message: str
    program: Any
    message_program: Any
    results: dict[str, str | None] = field(default_factory=dict, compare=False)

    def problem(self, value: Any) -> str | None:
        """The message if the value violates the rule."""
        if not isinstance(value, str):
            return self._evaluate(value)
        if value not in self.results:
            if len(self.results) >= _MOST_CACHED:
                self.results.clear()
            self.results[value] = self._evaluate(value)
        return self.results[value]

    def _evaluate(self, value: Any) -> str | None:
        data = {"self": value}
        if self.program.eval(data=data).value() is True:
            return None
        if self.message_program is not None:
            text = self.message_program.eval(data=data).value()
            if isinstance(text, str) and text.strip():
                return text.strip()
        return self.message or f"violates the rule {self.text}"


@dataclass(frozen=True, slots=True)
class _Schema:
    """One compiled position of a schema."""

    source: Mapping[str, Any]
    properties: Mapping[str, _Schema]
    additional: _Schema | None
    items: _Schema | None
    rules: tuple[_Rule, ...]
    pattern: re.Pattern[str] | None

    def member(self, name: str) -> _Schema | None:
        return self.properties.get(name, self.additional)

    @property
    def keeps_unknown(self) -> bool:
        source = self.source
        return bool(
            source.get("x-kubernetes-preserve-unknown-fields")
            or source.get("additionalProperties") is True
        )


@cache
def _compiled(kind: str, version: str) -> _Schema:
    schema = schemas_of(kind)[version]
    shown = {name: each for name, each in schema["properties"].items() if name not in _HEAD}
    return _compile({**schema, "properties": shown})


def _compile(source: Mapping[str, Any]) -> _Schema:
    additional, items = source.get("additionalProperties"), source.get("items")
    pattern = source.get("pattern")
    return _Schema(
        source=source,
        properties={n: _compile(each) for n, each in source.get("properties", {}).items()},
        additional=_compile(additional) if isinstance(additional, dict) else None,
        items=_compile(items) if items else None,
        rules=tuple(
            _rule(rule)
            for rule in source.get("x-kubernetes-validations", ())
            # A rule about the earlier version of an object says nothing about a file.
            if "oldSelf" not in rule["rule"]
        ),
        pattern=re.compile(pattern) if pattern else None,
    )


def _rule(rule: Mapping[str, Any]) -> _Rule:
    expression = rule.get("messageExpression")
    compile_ = _environment().compile
    return _Rule(
        text=rule["rule"].strip(),
        message=rule.get("message", "").strip(),
        program=compile_(rule["rule"]),
        message_program=compile_(expression) if expression else None,
    )


@cache
def _environment() -> Any:
    # Belongs to the extra `cli`; no command but `lint` needs it.
    from cel_expr_python import cel  # noqa: PLC0415
    from cel_expr_python.ext import (  # noqa: PLC0415
        ext_bindings,
        ext_math,
        ext_optional,
        ext_strings,
    )

    return cel.NewEnv(
        variables={"self": cel.Type.DYN},
        extensions=[
            ext_bindings.ExtBindings(),
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
        ],
    )


def _errors(value: Any, schema: _Schema, path: Path) -> Iterator[SchemaError]:
    """The errors of a value that is present: structure first, then the rules."""
    structural = list(_structure(value, schema, path))
    yield from structural
    if isinstance(value, dict):
        value = _with_defaults(value, schema)
        for name, member in value.items():
            below = schema.member(name)
            if below is not None and member is not None:
                found = list(_errors(member, below, (*path, name)))
                structural += [each for each in found if each.kind is SchemaErrorKind.STRUCTURE]
                yield from found
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            found = list(_errors(item, schema.items, (*path, index)))
            structural += [each for each in found if each.kind is SchemaErrorKind.STRUCTURE]
            yield from found
    if not any(each.kind is SchemaErrorKind.STRUCTURE for each in structural):
        yield from _violations(value, schema, path)


def _violations(value: Any, schema: _Schema, path: Path) -> Iterator[SchemaError]:
    if not schema.rules:
        return
    seen = set()
    filled = _deep_defaults(value, schema)
    for rule in schema.rules:
        message = rule.problem(filled)
        if message is None or message in seen:
            continue
        seen.add(message)
        where, text = _field_of(message, schema, path)
        yield SchemaError(SchemaErrorKind.RULE, where, text)


def _field_of(message: str, schema: _Schema, path: Path) -> tuple[Path, str]:
    """The field that a message begins with, and the rest of it; else the place of the rule."""
    named = _FIELD_OF_MESSAGE.match(message)
    if named is None:
        return path, message
    steps = tuple(named[1].split("."))
    rest = message[named.end() :]
    if steps[0] in schema.properties:
        return (*path, *steps), rest
    return (steps, rest) if steps[: len(path)] == path else (path, message)


def _with_defaults(value: dict[str, Any], schema: _Schema) -> dict[str, Any]:
    """The members of an object, with the defaults of absent ones; null counts as absent."""
    filled = {name: member for name, member in value.items() if member is not None}
    for name, below in schema.properties.items():
        if name not in filled and "default" in below.source:
            filled[name] = below.source["default"]
    return filled


def _deep_defaults(value: Any, schema: _Schema) -> Any:
    if isinstance(value, dict):
        filled = _with_defaults(value, schema)
        return {
            name: member
            if (below := schema.member(name)) is None
            else _deep_defaults(member, below)
            for name, member in filled.items()
        }
    if isinstance(value, list) and schema.items is not None:
        return [_deep_defaults(item, schema.items) for item in value]
    if schema.source.get("type") == "number" and isinstance(value, int):
        return float(value)
    return value


def _structure(value: Any, schema: _Schema, path: Path) -> Iterator[SchemaError]:
    wanted = schema.source.get("type", "")
    if wanted and not _has_type(value, wanted):
        shown = "null" if value is None else type(value).__name__
        message = f"must be of type {wanted}, not {_JSON_NAMES.get(shown, shown)}"
        yield SchemaError(SchemaErrorKind.STRUCTURE, path, message)
        return
    enum = schema.source.get("enum")
    if enum and value not in enum:
        message = f"{_shown(value)} is not supported: use {', '.join(map(str, enum))}"
        yield SchemaError(SchemaErrorKind.STRUCTURE, path, message)
    for message in _bounds(value, schema):
        yield SchemaError(SchemaErrorKind.STRUCTURE, path, message)
    if isinstance(value, dict):
        for name in schema.source.get("required", ()):
            if value.get(name) is None:
                message = "is required: set it"
                yield SchemaError(SchemaErrorKind.STRUCTURE, (*path, name), message)
        for name in value:
            if schema.member(name) is None and not schema.keeps_unknown:
                known = ", ".join(schema.properties) or "none"
                message = f"is no field here: use one of {known}"
                yield SchemaError(SchemaErrorKind.UNKNOWN, (*path, name), message)


_JSON_NAMES: Final = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean",
    "dict": "object", "list": "array",
}  # fmt: skip


def _has_type(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, _PYTHON_TYPES[wanted])


def _bounds(value: Any, schema: _Schema) -> Iterator[str]:
    match value:
        case bool():
            return
        case str():
            yield from _text_bounds(value, schema)
        case int() | float():
            source = schema.source
            if value < source.get("minimum", value):
                yield f"{value} is too small: set at least {source['minimum']}"
            if value > source.get("maximum", value):
                yield f"{value} is too large: set at most {source['maximum']}"
        case list():
            yield from _size(len(value), schema.source, unit="items", name="Items")
            is_set = schema.source.get("x-kubernetes-list-type") == "set"
            if is_set and len(value) != len({repr(item) for item in value}):
                yield "has an item twice: remove one of them"
        case dict():
            yield from _size(len(value), schema.source, unit="entries", name="Properties")
        case _:
            return


def _text_bounds(value: str, schema: _Schema) -> Iterator[str]:
    yield from _size(len(value), schema.source, unit="characters", name="Length")
    if schema.pattern is not None and not schema.pattern.search(value):
        yield f"{_shown(value)} does not match {schema.pattern.pattern}: correct it"
    if schema.source.get("format") == "date-time":
        try:
            parse_time(value)
        except ValueError:
            yield f"{_shown(value)} is no time: write it like 2027-01-01T00:00:00Z"


def _size(size: int, source: Mapping[str, Any], *, unit: str, name: str) -> Iterator[str]:
    least, most = source.get(f"min{name}"), source.get(f"max{name}")
    if least is not None and size < least:
        yield f"has {size} {unit}: use at least {least}"
    if most is not None and size > most:
        yield f"has {size} {unit}: use at most {most}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
