"""The leaves of a schema: every field that holds a value, by its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(part: Mapping[str, Any], *, at: str = "") -> Iterator[str]:
    """The paths of all leaves below a part of a schema: `a.b`, `list[].c`, `map{}.d`.

    A map or list of plain values is one leaf, and so is an object without fields of its own.
    """
    for step, inner in _inner(part):
        yield from leaves(inner, at=_joined(at, step))
    if not any(_inner(part)):
        yield at


def used_leaves(part: Mapping[str, Any], value: object, *, at: str = "") -> Iterator[str]:
    """The paths of the leaves that a value fills; of a list or map, those of any item."""
    inner = dict(_inner(part))
    if not inner:
        yield at
    elif "[]" in inner:
        assert isinstance(value, list)
        for item in value:
            yield from used_leaves(inner["[]"], item, at=f"{at}[]")
    else:
        assert isinstance(value, Mapping)
        for name, item in value.items():
            step = name if name in inner else "{}"
            yield from used_leaves(inner[step], item, at=_joined(at, step))


def _inner(part: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """What is below a part, each with its step of the path."""
    if part.get("x-kubernetes-preserve-unknown-fields"):
        # A document in the language of a cloud: one field.
        return []
    if part.get("type") == "array":
        return [("[]", part["items"])]
    values = part.get("additionalProperties")
    if isinstance(values, Mapping) and _inner(values):
        return [("{}", values)]
    return list(part.get("properties", {}).items())


def _joined(at: str, step: str) -> str:
    return f"{at}{step}" if step in ("[]", "{}") or not at else f"{at}.{step}"
