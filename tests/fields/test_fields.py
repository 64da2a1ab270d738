"""Every field of the two resources has a test of its effect, and a new one cannot do without."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from tests.fields.leaves import leaves, used_leaves
from tests.fields.named_tests import has_test
from tests.unit.api.samples import schema

_TABLE = Path(__file__).with_name("effects.yaml")


@cache
def _effects() -> dict[str, dict[str, list[str]]]:
    """The tests of each field's effect, by the resource's plural and the field's path."""
    table: dict[str, dict[str, str | list[str]]] = yaml.safe_load(_TABLE.read_text())
    return {
        plural: {
            path: [reported] if isinstance(reported, str) else list(reported)
            for path, reported in rows.items()
        }
        for plural, rows in table.items()
    }


@cache
def _fields(plural: str) -> frozenset[str]:
    """The paths of every field of a resource's spec and status."""
    parts = schema(plural)["properties"]
    return frozenset(path for part in ("spec", "status") for path in leaves(parts[part], at=part))


_ROWS = [
    (path, reported)
    for rows in _effects().values()
    for path, tests in rows.items()
    for reported in tests
]


@pytest.mark.parametrize("plural", [SOURCE_PLURAL, GRANT_PLURAL])
def test_every_field_has_a_test_of_its_effect(plural: str) -> None:
    """A field of the CRD that no test is named for fails here, and so does a name without field."""
    reported, there = set(_effects()[plural]), _fields(plural)
    assert sorted(there - reported) == [], "fields without a test of their effect in effects.yaml"
    assert sorted(reported - there) == [], "effects.yaml speaks of fields that are not in the CRD"


@pytest.mark.parametrize("named", sorted({named for _, named in _ROWS}))
def test_the_test_of_a_field_is_collected(named: str) -> None:
    """It exists, and is not skipped."""
    file, _, name = named.partition("::")
    assert has_test(file, name), f"there is no such test: {named}"


def test_leaves_are_told_by_their_paths() -> None:
    """Fields of objects, of lists and of maps; a map of plain values is one field."""
    text = {"type": "string"}
    entry = {"type": "object", "properties": {"c": text}}
    part = {
        "type": "object",
        "properties": {
            "a": entry,
            "list": {"type": "array", "items": entry},
            "words": {"type": "array", "items": text},
            "map": {"type": "object", "additionalProperties": entry},
            "labels": {"type": "object", "additionalProperties": text},
            "empty": {"type": "object"},
        },
    }
    every = ["a.c", "list[].c", "words[]", "map{}.c", "labels", "empty"]
    assert list(leaves(part)) == every
    value = {"list": [{}, {"c": "x"}], "map": {"k": {"c": "x"}}, "labels": {"x": "y"}, "empty": {}}
    assert list(used_leaves(part, value)) == ["list[].c", "map{}.c", "labels", "empty"]
