"""The page of a resource: every field of its CRD with type, default, and the rules for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from tools.reference.markdown import code, page, plain, sentence, table

_CRDS: Final = Path(__file__).resolve().parents[2] / "crds"
_HEADER: Final = ("field", "type", "default", "description")
# Of deeper or smaller objects, the fields are rows of the table of the object around them.
_DEEPEST_SECTION: Final = 3
_LEAST_FIELDS: Final = 3
_PLURALS: Final = {"string": "strings", "object": "objects", "integer": "integers"}

Schema: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a schema; `name` is relative to its section."""

    name: str
    path: str
    schema: Schema
    required: bool
    same_as: str


def resource_page(plural: str) -> str:
    """The page of the resource whose CRD has that plural name."""
    file = _CRDS / f"{plural}.keywright.dev.yaml"
    crd = yaml.safe_load(file.read_text(encoding="utf-8"))
    (version,) = crd["spec"]["versions"]
    names = crd["spec"]["names"]
    schema = version["schema"]["openAPIV3Schema"]
    return page(
        [
            f"# {names['kind']}",
            "",
            (
                f"`apiVersion: {crd['spec']['group']}/{version['name']}`, `kind:"
                f" {names['kind']}`, short name `{names['shortNames'][0]}`."
                f" {sentence(plain(schema['description']))} This page is generated from"
                f" [crds/{file.name}](../../crds/{file.name}); `kubectl explain"
                f" {names['singular']}.spec` prints the same descriptions."
            ),
            "",
            *_section("spec", schema["properties"]["spec"]),
            *_section("status", schema["properties"]["status"]),
            *_columns(version["additionalPrinterColumns"]),
        ]
    )


def _columns(columns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Columns"
    yield ""
    yield "`kubectl get` shows these columns; those with `-o wide` only in that output."
    yield ""
    yield from table(
        ("column", "field", "description"),
        (
            (
                each["name"] + (" (`-o wide`)" if each.get("priority") else ""),
                code(each["jsonPath"]),
                plain(each["description"]),
            )
            for each in columns
        ),
    )


def _section(path: str, schema: Schema) -> Iterator[str]:
    """The table of an object, its rules, and the sections of the objects in it."""
    yield f"{'#' * min(4, 2 + path.count('.'))} `{path}`"
    yield ""
    if schema.get("description"):
        yield sentence(plain(schema["description"]))
        yield ""
    fields = list(_fields(schema, path=path))
    if fields:
        yield from table(_HEADER, (_row(field) for field in fields))
    rules = [plain(rule["message"]) for rule in schema.get("x-kubernetes-validations", ())]
    if rules:
        yield "The API server refuses an object that breaks one of these rules:"
        yield ""
        yield from (f"- {rule}" for rule in rules)
        yield ""
    for field in fields:
        if _has_section(field):
            yield from _section(field.path, _object_of(field.schema))


def _fields(schema: Schema, *, path: str, prefix: str = "") -> Iterator[_Field]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for name, each in properties.items():
        field = _Field(
            name=prefix + name,
            path=f"{path}.{name}",
            schema=each,
            required=name in schema.get("required", ()),
            same_as=_twin(name, each, properties),
        )
        yield field
        if not _has_section(field) and not field.same_as and not _known(each):
            inner = _object_of(each)
            suffix = "[]." if "items" in each else "."
            yield from _fields(inner, path=field.path, prefix=f"{field.name}{suffix}")


def _twin(name: str, schema: Schema, siblings: Mapping[str, Schema]) -> str:
    """An earlier field with the same fields, or an empty string."""
    inner = _object_of(schema).get("properties")
    for other, each in siblings.items():
        if other == name:
            return ""
        if inner and len(inner) >= _LEAST_FIELDS and inner == _object_of(each).get("properties"):
            return other
    return ""


def _object_of(schema: Schema) -> Schema:
    """The schema itself, or that of the items of a list."""
    items: Schema = schema.get("items", schema)
    return items


def _has_section(field: _Field) -> bool:
    inner = _object_of(field.schema)
    return (
        len(inner.get("properties", ())) >= _LEAST_FIELDS
        and field.path.count(".") < _DEEPEST_SECTION
        and not field.same_as
        and not _known(field.schema)
        and not field.path.startswith("status.conditions")
    )


def _known(schema: Schema) -> str:
    """The name of a type with a well-known form."""
    names = set(_object_of(schema).get("properties", ()))
    if names == {"Version", "Statement"}:
        return "policy document"
    return "label selector" if names == {"matchLabels", "matchExpressions"} else ""


def _row(field: _Field) -> tuple[str, str, str, str]:
    schema = field.schema
    texts = [plain(schema.get("description", ""))]
    if field.same_as:
        texts.append(f"Its fields are those of `{field.same_as}`.")
    if not _has_section(field):
        rules = [*schema.get("x-kubernetes-validations", ()), *_rules_of_items(schema)]
        texts += dict.fromkeys(plain(_without_field(rule["message"], field)) for rule in rules)
    else:
        anchor = "".join(c for c in field.path.lower() if c.isalnum())
        texts.append(f"[Fields](#{anchor}).")
    default = "required" if field.required else _default(schema)
    return code(field.name), _type(schema), default, " ".join(map(sentence, filter(None, texts)))


def _without_field(message: str, field: _Field) -> str:
    """The message without the name of the field, which its row has already."""
    names = (field.path, field.path.rpartition(".")[2])
    return next(
        (message.removeprefix(f"{name}: ") for name in names if message.startswith(f"{name}: ")),
        message,
    )


def _rules_of_items(schema: Schema) -> Sequence[Mapping[str, str]]:
    rules: Sequence[Mapping[str, str]] = schema.get("items", {}).get("x-kubernetes-validations", ())
    return rules


def _default(schema: Schema) -> str:
    if "default" not in schema:
        return ""
    value = schema["default"]
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(str(value)) if isinstance(value, str | int) else ""


def _type(schema: Schema) -> str:
    if known := _known(schema):
        return f"list of {known}s" if "items" in schema else known
    kind: str = schema.get("type", "any")
    if "enum" in schema:
        return "one of " + ", ".join(code(str(value)) for value in schema["enum"])
    if kind == "array":
        return _list_type(schema)
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        of = _PLURALS.get(values.get("type", ""), "objects")
        most = schema.get("maxProperties")
        return f"map of {of}" + (f", at most {most}" if most else "")
    return kind + _bounds(schema)


def _list_type(schema: Schema) -> str:
    items = schema["items"]
    most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
    if "enum" in items:
        return "list of " + ", ".join(code(str(value)) for value in items["enum"]) + most
    return f"list of {_PLURALS[items['type']]}" + most


def _bounds(schema: Schema) -> str:
    if "format" in schema:
        return f" ({schema['format']})"
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f", {least} to {most}"
    if least is not None:
        return f", at least {least}"
    if "maxLength" in schema:
        return f", at most {schema['maxLength']} characters"
    return ""
