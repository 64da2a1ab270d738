"""Sets of fields in the format of `fieldsV1`, and the differences of objects in them.

A set is a tree of dicts. `f:NAME` is a member of a map, `k:{...}` an item of a list with keys,
`v:VALUE` an item of a set. An empty dict is a field in the set; a field that is in it together with
some below it has the member `.`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from testbed.clusters.embedded.documents import Document, Value, compact, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

FieldSet: TypeAlias = dict[str, "FieldSet"]
Schema: TypeAlias = Document | None
"""A structural schema, or the hints of a built-in kind; None: maps are granular, lists atomic."""


def child_schema(schema: Schema, name: str) -> Schema:
    """The schema of a member of a map."""
    if not schema:
        return None
    found: Schema = (schema.get("properties") or {}).get(name)
    if found is None:
        additional = schema.get("additionalProperties")
        return additional if isinstance(additional, dict) else None
    return found


def list_keys(schema: Schema) -> list[str]:
    """The keys of the items, empty if the list has none."""
    if schema and schema.get("x-kubernetes-list-type") == "map":
        keys: list[str] = schema["x-kubernetes-list-map-keys"]
        return keys
    return []


def is_set(schema: Schema) -> bool:
    """Whether the list is a set of scalars."""
    return bool(schema) and schema is not None and schema.get("x-kubernetes-list-type") == "set"


def is_atomic(schema: Schema) -> bool:
    """Whether a map is owned as a whole."""
    return schema is not None and schema.get("x-kubernetes-map-type") == "atomic"


def item_key(item: Document, *, keys: list[str], schema: Schema) -> str:
    """`k:{"type":"Ready"}`; an absent key counts with its default."""
    found = {}
    for name in keys:
        default = (child_schema(schema, name) or {}).get("default")
        if (value := item.get(name, default)) is not None:
            found[name] = value
    return f"k:{compact(found)}"


def items_by_key(values: list[Value], schema: Schema) -> dict[str, Value] | None:
    """The items of a list under their path elements; None for an atomic list."""
    item_schema = (schema or {}).get("items")
    if keys := list_keys(schema):
        return {
            item_key(item, keys=keys, schema=item_schema): item
            for item in values
            if isinstance(item, dict)
        }
    if is_set(schema):
        return {f"v:{compact(item)}": item for item in values}
    return None


def members(value: Value, schema: Schema) -> dict[str, tuple[Value, Schema]] | None:
    """The members that are owned separately; None if the value is owned as a whole."""
    if isinstance(value, dict):
        if is_atomic(schema):
            return None
        return {f"f:{name}": (below, child_schema(schema, name)) for name, below in value.items()}
    if isinstance(value, list):
        items = items_by_key(value, schema)
        item_schema = (schema or {}).get("items")
        return None if items is None else {key: (item, item_schema) for key, item in items.items()}
    return None


def of_applied(value: Value, schema: Schema) -> FieldSet:
    """The fields of an applied configuration: leaves, and items of lists."""
    below = members(value, schema)
    if not below:
        return {}
    fields: FieldSet = {}
    for key, (member, member_schema) in below.items():
        nested = of_applied(member, member_schema)
        fields[key] = {".": {}, **nested} if key[0] == "k" and nested else nested
    return fields


def of_everything(value: Value, schema: Schema) -> FieldSet:
    """Every field of a value, including containers; those of a Go struct always exist."""
    below = members(value, schema)
    if not below:
        return {}
    fields: FieldSet = {} if schema and schema.get("struct") else {".": {}}
    for key, (member, member_schema) in below.items():
        fields[key] = of_everything(member, member_schema)
    return fields


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of fields between two versions of an object."""

    added: FieldSet
    changed: FieldSet
    removed: FieldSet


def compare(old: Value, new: Value, schema: Schema) -> Changes:
    """Compare two versions, member by member."""
    changes = Changes({}, {}, {})
    _compare(old, new, schema, changes)
    return changes


def _compare(old: Value, new: Value, schema: Schema, into: Changes) -> bool:
    """Collect the differences below; False if the value can only be compared as a whole."""
    before = members(old, schema)
    after = members(new, schema)
    if before is None or after is None:
        return False
    for key, (value, value_schema) in after.items():
        if key not in before:
            into.added[key] = of_everything(value, value_schema)
            continue
        previous = before[key][0]
        if previous is value or (previous == value and type(previous) is type(value)):
            continue
        _compare_member(key, previous, value, schema=value_schema, into=into)
    for key, (value, value_schema) in before.items():
        if key not in after:
            into.removed[key] = of_everything(value, value_schema)
    return True


def _compare_member(key: str, old: Value, new: Value, *, schema: Schema, into: Changes) -> None:
    below = Changes({}, {}, {})
    if _compare(old, new, schema, below):
        for whole, part in (
            (into.added, below.added),
            (into.changed, below.changed),
            (into.removed, below.removed),
        ):
            if part:
                whole[key] = part
        return
    into.changed[key] = {}
    if lost := of_everything(old, schema):
        into.removed[key] = {name: part for name, part in lost.items() if name != "."}


def contains_itself(fields: FieldSet) -> bool:
    """Whether a node of the tree is itself a field of the set."""
    return not fields or "." in fields


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Fields of either, for the root of two sets."""
    joined = dict(left)
    for key, below in right.items():
        joined[key] = _union_below(joined[key], below) if key in joined else below
    return joined


def _union_below(left: FieldSet, right: FieldSet) -> FieldSet:
    itself = contains_itself(left) or contains_itself(right)
    joined = union(left, right)
    joined.pop(".", None)
    return {".": {}, **joined} if itself and joined else joined


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Fields of the first that are not in the second, for the root of two sets."""
    rest: FieldSet = {}
    for key, below in left.items():
        if key not in right:
            rest[key] = below
            continue
        other = right[key]
        itself = contains_itself(below) and not contains_itself(other)
        nested = difference(
            {name: part for name, part in below.items() if name != "."},
            {name: part for name, part in other.items() if name != "."},
        )
        if nested:
            rest[key] = {".": {}, **nested} if itself else nested
        elif itself:
            rest[key] = {}
    return rest


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Fields of both, for the root of two sets."""
    return difference(left, difference(left, right))


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """The fields as conflicts name them: `.spec.items[name="x"].value`."""
    for key in sorted(fields):
        if key == ".":
            continue
        below = fields[key]
        path = prefix + _path_element(key)
        if contains_itself(below):
            yield path
        yield from paths(below, path)


def _path_element(key: str) -> str:
    kind, _, rest = key.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "v":
        return f"[={rest}]"
    pairs = ",".join(f"{name}={compact(value)}" for name, value in decode(rest.encode()).items())
    return f"[{pairs}]"
