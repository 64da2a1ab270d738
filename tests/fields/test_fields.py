"""Every field of the two resources has a test of its effect, and a new one cannot do without."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from tests.fields.leaves import leaves, used_leaves
from tests.fields.mentions import folded, has_test, words_of
from tests.unit.api.samples import schema

_TABLE = Path(__file__).with_name("effects.yaml")


@cache
def _effects() -> dict[str, dict[str, list[str]]]:
    """The tests of each field's effect, by the resource's plural and the field's path."""
    table: dict[str, dict[str, str | list[str]]] = yaml.safe_load(_TABLE.read_text())
    return {
        plural: {
            path: [told] if isinstance(told, str) else list(told) for path, told in rows.items()
        }
        for plural, rows in table.items()
    }


@cache
def _fields(plural: str) -> frozenset[str]:
    """The paths of every field of a resource's spec and status."""
    parts = schema(plural)["properties"]
    return frozenset(path for part in ("spec", "status") for path in leaves(parts[part], at=part))


_ROWS = [
    (path, told) for rows in _effects().values() for path, tests in rows.items() for told in tests
]


@pytest.mark.parametrize("plural", [SOURCE_PLURAL, GRANT_PLURAL])
def test_every_field_has_a_test_of_its_effect(plural: str) -> None:
    """A field of the CRD that no test is named for fails here, and so does a name without field."""
    told, there = set(_effects()[plural]), _fields(plural)
    assert sorted(there - told) == [], "fields without a test of their effect in effects.yaml"
    assert sorted(told - there) == [], "effects.yaml speaks of fields that are not in the CRD"


@pytest.mark.parametrize(("path", "told"), _ROWS)
def test_the_test_of_a_field_is_there_and_speaks_of_it(path: str, told: str) -> None:
    """It is collected and not skipped, and its code names the field; prose does not count.

    A name that several fields have, such as `name`, must come with that of the field around it.
    """
    file, _, name = told.partition("::")
    assert has_test(file, name), f"there is no such test: {told}"
    words = words_of(file, name)
    missing = [needed for needed in _needed(path) if folded(needed) not in words]
    assert missing == [], f"{told} does not name {missing} of {path}"


def _needed(path: str) -> list[str]:
    steps = [step.rstrip("[]{}") for step in path.split(".")]
    own = steps[-1]
    every = _fields(SOURCE_PLURAL) | _fields(GRANT_PLURAL)
    bearers = sum(each.split(".")[-1].rstrip("[]{}") == own for each in every)
    # What is in `spec` or `status` itself has nothing around it that would tell it apart.
    alone = bearers == 1 or steps[-2] in ("spec", "status")
    return [own] if alone else [steps[-2], own]


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
