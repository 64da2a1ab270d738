"""Values that a structural schema lets in, as strategies.

Structural schemas have a small part of JSON Schema, which this file knows. The published package
for all of it (hypothesis-jsonschema 0.23.1) uses internals of hypothesis that are no longer there.
CEL rules are left out on purpose: a CRD of another version may lack them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

# Longer ones are among the extremes; drawing them letter by letter finds nothing more.
_LONGEST = 40
_MOST = 4
_LEAST_NUMBER, _GREATEST_NUMBER = -(2**63), 2**63 - 1
# What a JSON text of the API server can hold.
_TEXT = st.characters(codec="utf-8")

ANYTHING: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(_LEAST_NUMBER, _GREATEST_NUMBER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(_TEXT, max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(_TEXT, max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def values_of(part: Mapping[str, Any], *, times: SearchStrategy[str]) -> SearchStrategy[Any]:
    """The values that a part of a schema lets in; `times` are those of the format date-time."""
    if "enum" in part:
        return st.sampled_from(part["enum"])
    match part["type"]:
        case "string" if part.get("format") == "date-time":
            return times
        case "string":
            least = min(part.get("minLength", 0), _LONGEST)
            most = min(part.get("maxLength", _LONGEST), _LONGEST)
            return st.text(_TEXT, min_size=least, max_size=most)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(
                part.get("minimum", _LEAST_NUMBER), part.get("maximum", _GREATEST_NUMBER)
            )
        case "number":
            return st.floats(
                part.get("minimum"),
                part.get("maximum"),
                allow_nan=False,
                allow_infinity=False,
            )
        case "array":
            items = values_of(part["items"], times=times)
            return st.lists(items, min_size=part.get("minItems", 0), max_size=_MOST)
        case _:
            return _objects(part, times=times)


def _objects(part: Mapping[str, Any], *, times: SearchStrategy[str]) -> SearchStrategy[Any]:
    properties = {
        name: values_of(inner, times=times) for name, inner in part.get("properties", {}).items()
    }
    required = {name: properties.pop(name) for name in part.get("required", ())}
    typed = st.fixed_dictionaries(required, optional=properties)
    if part.get("x-kubernetes-preserve-unknown-fields"):
        free = st.dictionaries(st.text(_TEXT, max_size=8), ANYTHING, max_size=_MOST)
        return st.tuples(free, typed).map(lambda both: both[0] | both[1])
    values = part.get("additionalProperties")
    if isinstance(values, Mapping):
        names = st.text(_TEXT, max_size=_LONGEST)
        return st.dictionaries(names, values_of(values, times=times), max_size=_MOST)
    return typed
