"""Structural schemas, compiled once per CustomResourceDefinition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.rules import Rule, compile_rule, escape_name

if TYPE_CHECKING:
    from testbed.clusters.embedded.documents import Document, Value


class _Missing:
    """The type of MISSING."""


MISSING: Final = _Missing()
"""Represents an absent value, unlike null."""


@dataclass(slots=True, kw_only=True)
class Node:
    """One position in a schema. Frozen in use; filled while its children are compiled."""

    type: str
    nullable: bool
    preserve: bool
    embedded: bool
    int_or_string: bool
    required: tuple[str, ...]
    properties: dict[str, Node]
    additional: Node | bool
    items: Node | None
    default: Value
    enum: tuple[Value, ...]
    pattern: re.Pattern[str] | None
    bounds: Document
    format: str
    list_keys: tuple[str, ...]
    is_set: bool
    rules: tuple[Rule, ...]
    logic: dict[str, list[Node]]
    has_rules: bool = False
    converts: bool = False
    """Whether CEL sees values at or below this position in another form than JSON."""
    renamed: dict[str, str]

    def children(self) -> list[Node]:
        """The positions directly below."""
        found = list(self.properties.values())
        if isinstance(self.additional, Node):
            found.append(self.additional)
        if self.items is not None:
            found.append(self.items)
        return found

    def member(self, name: str) -> Node | None:
        """The position of a member, None if the schema does not describe it."""
        node = self.properties.get(name)
        if node is None and isinstance(self.additional, Node):
            return self.additional
        return node


def below_path(path: str, name: str, node: Node) -> str:
    """The path of a member in rules and duplicates: keys of a map are in brackets."""
    if name not in node.properties:
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


_BOUNDS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)


def compile_schema(schema: Document, *, path: str = "openAPIV3Schema") -> Node:
    """Compile a schema with everything below it.

    Raises:
        RuleError: a CEL rule does not compile; it names the position.
    """
    properties = {
        name: compile_schema(below, path=f"{path}.properties[{name}]")
        for name, below in (schema.get("properties") or {}).items()
    }
    additional = schema.get("additionalProperties", False)
    if isinstance(additional, dict):
        additional = compile_schema(additional, path=f"{path}.additionalProperties")
    items = schema.get("items")
    node = Node(
        type=schema.get("type", ""),
        nullable=bool(schema.get("nullable")),
        preserve=bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(schema.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(schema.get("x-kubernetes-int-or-string")),
        required=tuple(schema.get("required") or ()),
        properties=properties,
        additional=additional,
        items=compile_schema(items, path=f"{path}.items") if items else None,
        default=schema.get("default", MISSING),
        enum=tuple(schema.get("enum") or ()),
        pattern=_pattern(schema.get("pattern")),
        bounds={name: schema[name] for name in _BOUNDS if name in schema},
        format=schema.get("format", ""),
        list_keys=tuple(schema.get("x-kubernetes-list-map-keys") or ()),
        is_set=schema.get("x-kubernetes-list-type") == "set",
        rules=tuple(
            compile_rule(
                rule,
                path=f"{path}.x-kubernetes-validations[{index}]",
                text_format=schema.get("format", ""),
            )
            for index, rule in enumerate(schema.get("x-kubernetes-validations") or ())
        ),
        logic=_logic(schema, path),
        renamed={name: new for name in properties if (new := escape_name(name)) != name},
    )
    below = node.children()
    node.has_rules = bool(node.rules) or any(child.has_rules for child in below)
    node.converts = (
        node.type == "number" or bool(node.renamed) or any(child.converts for child in below)
    )
    return node


def _logic(schema: Document, path: str) -> dict[str, list[Node]]:
    logic: dict[str, list[Node]] = {
        name: [compile_schema(one, path=f"{path}.{name}") for one in schema[name]]
        for name in ("allOf", "anyOf", "oneOf")
        if name in schema
    }
    if "not" in schema:
        logic["not"] = [compile_schema(schema["not"], path=f"{path}.not")]
    return logic


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    # RE2's \z and $ mean the end of the text; Python's $ also stops before a newline.
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", text).replace(r"\z", r"\Z"))
