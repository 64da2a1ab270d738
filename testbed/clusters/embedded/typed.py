"""The errors of server-side apply for a configuration that does not match the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.documents import Document, Value, metadata_of
from testbed.clusters.embedded.field_errors import ApiError

if TYPE_CHECKING:
    from testbed.clusters.embedded.nodes import Node
    from testbed.clusters.embedded.resources import Resource

_EXPECTED: Final = {
    "string": ("string", (str,)),
    "integer": ("numeric (int or float)", (int, float)),
    "number": ("numeric (int or float)", (int, float)),
    "boolean": ("boolean", (bool,)),
    "object": ("map", (dict,)),
    "array": ("list", (list,)),
}
_GOT: Final = {
    str: "string",
    bool: "boolean",
    int: "int",
    float: "float",
    dict: "map",
    list: "list",
}
_HEAD: Final = frozenset({"apiVersion", "kind", "metadata"})


def require_typed(resource: Resource, body: Document) -> None:
    """Reject a field that the schema lacks; raises ApiError (500), as the real server does."""
    if resource.validator is not None:
        found = _fault(body, resource.validator.root, path="", root=True)
    else:
        known = resource.known_fields | _HEAD
        more = sorted(name for name in body if name not in known) if resource.known_fields else []
        found = f".{more[0]}: field not declared in schema" if more else None
    if found is None:
        return
    metadata = metadata_of(body)
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    version = resource.api_version
    raise ApiError(
        f"failed to create typed patch object ({name}; {version}, Kind={resource.kind}): {found}",
        code=500,
    )


def _fault(value: Value, node: Node, *, path: str, root: bool = False) -> str | None:
    """The first mismatch, None if there is none."""
    if value is None or node.int_or_string:
        return None
    if node.type:
        expected, types = _EXPECTED[node.type]
        if not isinstance(value, types) or (isinstance(value, bool) and node.type != "boolean"):
            return f"{path}: expected {expected}, got {_GOT[type(value)]}"
    if isinstance(value, dict):
        faults = (
            _member_fault(name, member, node, path=path)
            for name, member in value.items()
            if not (root and name in _HEAD)
        )
    elif isinstance(value, list) and node.items is not None:
        below = node.items
        faults = (_fault(item, below, path=f"{path}[{i}]") for i, item in enumerate(value))
    else:
        return None
    return next((found for found in faults if found is not None), None)


def _member_fault(name: str, member: Value, node: Node, *, path: str) -> str | None:
    below = node.member(name)
    if below is not None:
        return _fault(member, below, path=f"{path}.{name}")
    if node.preserve or node.additional is True or (node.embedded and name in _HEAD):
        return None
    return f"{path}.{name}: field not declared in schema"
