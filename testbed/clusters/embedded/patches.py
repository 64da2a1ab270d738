"""The patches other than apply: merge patch, JSON patch, strategic merge patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import jsonpatch
import jsonpointer

from testbed.clusters.embedded import fieldsets
from testbed.clusters.embedded.documents import Document, Value
from testbed.clusters.embedded.field_errors import ApiError, bad_request

if TYPE_CHECKING:
    from testbed.clusters.embedded.fieldsets import Schema

MERGE: Final = "application/merge-patch+json"
JSON: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"


def patch(document: Document, body: Value, *, kind: str, schema: Schema) -> Document:
    """Apply a patch of one of the three media types to a document."""
    if kind == JSON:
        if not isinstance(body, list):
            raise bad_request("error decoding patch: it is no list of operations")
        patched: Document = json_patch(document, body)
        return patched
    if not isinstance(body, dict):
        went = {str: "string", list: "array", bool: "bool"}.get(type(body), "number")
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {went} into Go value of type "
            "map[string]interface {}"
        )
    if kind == STRATEGIC:
        return strategic_merge(document, body, schema)
    return merge_patch(document, body)


def merge_patch(document: Value, body: Document) -> Document:
    """RFC 7386."""
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in body.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = merge_patch(merged.get(name), value)
        else:
            merged[name] = value
    return merged


def strategic_merge(document: Value, body: Document, schema: Schema) -> Document:
    """Kubernetes' own: lists with keys are merged by them; `$patch` directives are supported."""
    if body.get("$patch") == "replace":
        return {name: value for name, value in body.items() if name != "$patch"}
    merged = dict(document) if isinstance(document, dict) else {}
    if (kept := body.get("$retainKeys")) is not None:
        merged = {name: value for name, value in merged.items() if name in kept}
    for name, value in body.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            target = name.partition("/")[2]
            merged[target] = [one for one in merged.get(target) or [] if one not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            merged.pop(name, None)
        else:
            below = fieldsets.child_schema(schema, name)
            merged[name] = _strategic_value(merged.get(name), value, below)
    return merged


def _strategic_value(old: Value, value: Value, schema: Schema) -> Value:
    if isinstance(value, dict):
        return strategic_merge(old, value, schema)
    if not isinstance(value, list):
        return value
    if fieldsets.is_set(schema):
        return list(dict.fromkeys([*(old or []), *value]))
    # Strategic merge supports one key for a list; the first one if apply uses several.
    keys = fieldsets.list_keys(schema)[:1]
    if not keys:
        return value
    item_schema = (schema or {}).get("items")
    merged = {item.get(keys[0]): item for item in old or []}
    for item in value:
        key = item.get(keys[0])
        match item.get("$patch"):
            case "delete":
                merged.pop(key, None)
            case "replace":
                continue
            case _:
                merged[key] = strategic_merge(merged.get(key), item, item_schema)
    return list(merged.values())


def json_patch(document: Value, operations: list[Document]) -> Value:
    """RFC 6902; raises ApiError (422) like the real server, which gives no details."""
    try:
        return jsonpatch.apply_patch(document, operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise ApiError(
            "the server rejected our request due to an error in our request",
            code=422,
            reason="Invalid",
            details={},
        ) from error
