"""Preparation of an object by its schema: prune, and set defaults."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.nodes import MISSING, Node

if TYPE_CHECKING:
    from testbed.clusters.embedded.documents import Document, Value

_EMBEDDED: Final = frozenset({"apiVersion", "kind", "metadata"})


def prune(value: Value, node: Node, *, path: str, unknown: list[str]) -> Value:
    """Remove unknown fields, whose paths are added to `unknown`; unchanged if there are none."""
    if isinstance(value, dict):
        return _prune_map(value, node, path=path, unknown=unknown)
    if isinstance(value, list) and node.items is not None:
        items = [
            prune(item, node.items, path=f"{path}[{index}]", unknown=unknown)
            for index, item in enumerate(value)
        ]
        return value if all(map(_same, items, value)) else items
    return value


def _same(left: Value, right: Value) -> bool:
    return left is right


def _prune_map(value: Document, node: Node, *, path: str, unknown: list[str]) -> Document:
    if node.additional is True:
        return value
    pruned: Document = {}
    changed = False
    for name, member in value.items():
        below = node.member(name)
        if below is not None:
            place = f"{path}.{name}" if path else name
            pruned[name] = prune(member, below, path=place, unknown=unknown)
            changed = changed or pruned[name] is not member
        elif node.preserve or (node.embedded and name in _EMBEDDED):
            pruned[name] = member
        else:
            unknown.append(f"{path}.{name}" if path else name)
            changed = True
    return pruned if changed else value


def with_defaults(value: Value, node: Node) -> Value:
    """Set the schema's defaults; a null that is not nullable counts as absent."""
    if isinstance(value, dict):
        return _fill_map(value, node)
    if isinstance(value, list) and node.items is not None:
        items = [with_defaults(item, node.items) for item in value]
        return value if all(map(_same, items, value)) else items
    return value


def _fill_map(value: Document, node: Node) -> Document:
    filled = dict(value)
    for name, below in node.properties.items():
        member = filled.get(name, MISSING)
        if member is None and not below.nullable:
            del filled[name]
            member = MISSING
        if member is not MISSING:
            filled[name] = with_defaults(member, below)
        elif below.default is not MISSING:
            filled[name] = with_defaults(copy.deepcopy(below.default), below)
    if isinstance(node.additional, Node):
        for name, member in value.items():
            if name not in node.properties:
                filled[name] = with_defaults(member, node.additional)
    same = len(filled) == len(value) and all(value.get(name) is filled[name] for name in filled)
    return value if same else filled
