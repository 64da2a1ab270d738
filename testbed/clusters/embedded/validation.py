"""Validation of custom objects: first the schema, then its CEL rules, in the real server's words.

On an update, unchanged values are not validated again (validation ratcheting), except by transition
rules.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import uuid
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded import field_errors
from testbed.clusters.embedded.documents import Document, Value, compact, parse_timestamp
from testbed.clusters.embedded.field_errors import FieldProblem, invalid_value
from testbed.clusters.embedded.nodes import MISSING, Node, below_path
from testbed.clusters.embedded.rules import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def _ipv4(text: str) -> None:
    ipaddress.IPv4Address(text)


def _base64(text: str) -> None:
    base64.b64decode(text, validate=True)


_FORMATS: Final[dict[str, Callable[[str], object]]] = {
    "date-time": parse_timestamp,
    "duration": parse_duration,
    "ipv4": _ipv4,
    "ipv6": ipaddress.IPv6Address,
    "cidr": lambda text: ipaddress.ip_network(text, strict=False),
    "uuid": uuid.UUID,
    "byte": _base64,
}


def structural_problems(value: Value, node: Node, *, old: Value) -> list[FieldProblem]:
    """The schema errors of an object; `old` is MISSING on a create."""
    found = sorted(_check(value, node, path="", old=old), key=lambda problem: problem.field)
    for problem in list(found):
        if problem.message.endswith('of type integer: "number"'):
            text = f"Checked value must be of type integer (default format) in {problem.field}"
            found.append(invalid_value("<nil>", "", text))
    return found + list(_duplicates(value, node, path=""))


def _check(value: Value, node: Node, *, path: str, old: Value) -> Iterator[FieldProblem]:
    if value is None and node.nullable:
        return
    if old is not MISSING and (old is value or old == value):
        return
    if not _has_type(value, node):
        yield _wrong_type(path, _wanted(node), _type_name(value))
        return
    yield from _check_logic(value, node, path=path)
    if node.enum and value not in node.enum:
        yield _unsupported(value, node, path=path)
    if isinstance(value, str):
        yield from _check_text(value, node, path=path)
    elif isinstance(value, dict):
        yield from _check_map(value, node, path=path, old=old if isinstance(old, dict) else {})
    elif isinstance(value, list):
        yield from _check_list(value, node, path=path, old=old)
    elif not isinstance(value, bool):
        yield from _check_number(value, node, path=path)


def _has_type(value: Value, node: Node) -> bool:
    if node.int_or_string:
        return isinstance(value, int | str) and not isinstance(value, bool)
    if not node.type:
        return True
    if isinstance(value, bool) and node.type != "boolean":
        return False
    if node.type == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[node.type])


def _unsupported(value: Value, node: Node, *, path: str) -> FieldProblem:
    supported = ", ".join(compact(one) for one in node.enum)
    return FieldProblem(
        field=path,
        reason="FieldValueNotSupported",
        message=f"Unsupported value: {compact(value)}: supported values: {supported}",
    )


def _wanted(node: Node) -> str:
    return "integer,string" if node.int_or_string else node.type


def _wrong_type(path: str, wanted: str, got: str) -> FieldProblem:
    shown = compact(got)
    return FieldProblem(
        field=path,
        reason="FieldValueTypeInvalid",
        message=f"Invalid value: {shown}: {path} in body must be of type {wanted}: {shown}",
    )


def _type_name(value: Value) -> str:
    if value is None:
        return "null"
    for name in ("boolean", "string", "integer", "number", "object"):
        if isinstance(value, _TYPES[name]):
            return name
    return "array"


def _check_text(value: str, node: Node, *, path: str) -> Iterator[FieldProblem]:
    least, most = node.bounds.get("minLength"), node.bounds.get("maxLength")
    if most is not None and len(value) > most:
        yield FieldProblem(
            field=path,
            reason="FieldValueTooLong",
            message=f"Too long: may not be more than {most} bytes",
        )
    if least is not None and len(value) < least:
        yield invalid_value(path, value, f"{path} in body should be at least {least} chars long")
    elif node.pattern is not None and not node.pattern.search(value):
        text = node.pattern.pattern
        shown = text[:-2] + "$" if text.endswith(r"\Z") else text
        if most is None or len(value) <= most:
            yield invalid_value(path, value, f"{path} in body should match '{shown}'")
    if (accepts := _FORMATS.get(node.format)) is not None:
        try:
            accepts(value)
        except (ValueError, binascii.Error):
            yield FieldProblem(
                field=path,
                reason="FieldValueTypeInvalid",
                message=f"Invalid value: {compact(value)}: "
                f"{path} in body must be of type {node.format}: {compact(value)}",
            )


def _check_map(value: Document, node: Node, *, path: str, old: Document) -> Iterator[FieldProblem]:
    yield from _check_size(len(value), node, path=path, unit="properties", name="Properties")
    for name in node.required:
        if name not in value:
            yield field_errors.required(f"{path}.{name}" if path else name)
    for name, member in value.items():
        below = node.member(name)
        if below is not None:
            place = f"{path}.{name}" if path else name
            yield from _check(member, below, path=place, old=old.get(name, MISSING))


def _check_list(value: list[Value], node: Node, *, path: str, old: Value) -> Iterator[FieldProblem]:
    yield from _check_size(len(value), node, path=path, unit="items", name="Items")
    if node.items is not None:
        find = correlate(old, node)
        for index, item in enumerate(value):
            yield from _check(item, node.items, path=f"{path}[{index}]", old=find(item))


def _check_size(
    size: int, node: Node, *, path: str, unit: str, name: str
) -> Iterator[FieldProblem]:
    least, most = node.bounds.get(f"min{name}"), node.bounds.get(f"max{name}")
    if least is not None and size < least:
        yield invalid_value(path, size, f"{path} in body should have at least {least} {unit}")
    if most is not None and size > most:
        yield FieldProblem(
            field=path,
            reason="FieldValueTooMany",
            message=f"Too many: {size}: must have at most {most} item{'' if most == 1 else 's'}",
        )


def _check_number(value: float, node: Node, *, path: str) -> Iterator[FieldProblem]:
    bounds = node.bounds
    least, most = bounds.get("minimum"), bounds.get("maximum")
    if least is not None:
        if bounds.get("exclusiveMinimum") and value <= least:
            yield invalid_value(path, value, f"{path} in body should be greater than {least}")
        elif value < least:
            text = f"{path} in body should be greater than or equal to {least}"
            yield invalid_value(path, value, text)
    if most is not None:
        if bounds.get("exclusiveMaximum") and value >= most:
            yield invalid_value(path, value, f"{path} in body should be less than {most}")
        elif value > most:
            text = f"{path} in body should be less than or equal to {most}"
            yield invalid_value(path, value, text)
    step = bounds.get("multipleOf")
    if step is not None and value % step:
        yield invalid_value(path, value, f"{path} in body should be a multiple of {step}")


def _check_logic(value: Value, node: Node, *, path: str) -> Iterator[FieldProblem]:
    for name, nodes in node.logic.items():
        found = [list(_check(value, one, path=path, old=MISSING)) for one in nodes]
        valid = sum(not one for one in found)
        title = f'"{path}"'
        match name:
            case "anyOf" if not valid:
                text = "must validate at least one schema (anyOf)"
            case "oneOf" if valid != 1:
                which = "Found none valid" if not valid else f"Found {valid} valid alternatives"
                text = f"must validate one and only one schema (oneOf). {which}"
            case "allOf" if valid != len(nodes):
                text = "must validate all the schemas (allOf)"
            case "not" if valid:
                text = "must not validate the schema (not)"
            case _:
                continue
        yield invalid_value("<nil>", "", f"{title} {text}")
        if name != "not":
            yield from (found[0] if name != "allOf" else [one for each in found for one in each])


def correlate(old: Value, node: Node) -> Callable[[Value], Value]:
    """Find the earlier version of a list's item; only possible for lists with keys."""
    if not isinstance(old, list) or not node.list_keys:
        return lambda _: MISSING
    index = {tuple(item.get(key) for key in node.list_keys): item for item in old}
    return lambda item: (
        index.get(tuple(item.get(key) for key in node.list_keys), MISSING)
        if isinstance(item, dict)
        else MISSING
    )


def _duplicates(value: Value, node: Node, *, path: str) -> Iterator[FieldProblem]:
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, dict | list) and (below := node.member(name)) is not None:
                yield from _duplicates(member, below, path=below_path(path, name, node))
        return
    if node.items is None:
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        place = f"{path}[{index}]"
        if node.is_set or node.list_keys:
            keyed = isinstance(item, dict) and not node.is_set
            key = {name: item.get(name) for name in node.list_keys} if keyed else item
            if (text := compact(key)) in seen:
                yield FieldProblem(
                    field=place, reason="FieldValueDuplicate", message=f"Duplicate value: {text}"
                )
            seen.add(text)
        if isinstance(item, dict | list):
            yield from _duplicates(item, node.items, path=place)
