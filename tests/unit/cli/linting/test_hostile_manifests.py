"""No manifest ends the program: any value may be of any type."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keywright.cli.inventory import Inventory
from keywright.cli.kustomizations import place
from keywright.cli.linting.engine import lint
from keywright.cli.linting.reports import FORMATS
from keywright.cli.manifest_reader import read_bytes
from keywright.cli.manifests import ReadResult
from keywright.cli.policies.holders import CloudFacts, holders_of
from keywright.cli.policies.outputs import OUTPUTS
from keywright.cli.render import render_all
from testbed.world import EXAMPLES

CASES = Path(__file__).parents[1] / "lint_cases"
_WEIRD: list[Any] = [None, True, 0, -1, 1e300, "", "x" * 300, "\x1b[2J\n::error::", [], [[]], {}]
_WEIRD += [{"": None}, [{"name": ["x"]}], {"a": {"b": [1, {"c": None}]}}, "../../x", "${apiKey"]

Path_ = tuple[str | int, ...]


@cache
def _documents() -> tuple[Any, ...]:
    files = [CASES / "_base.yaml", *sorted(EXAMPLES.glob("*/*.yaml"))]
    files += [each for each in sorted(CASES.glob("*.yaml")) if "secret" in each.name]
    return tuple(body for file in files for body in yaml.safe_load_all(file.read_text()) if body)


def _paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _paths(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _paths(below, (*path, index))


def _replaced(document: Any, path: Path_, value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    target = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return changed


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_every_command_survives_any_value_anywhere(data: st.DataObject) -> None:
    """One value of an object is replaced, beside correct objects that refer to it."""
    documents = list(_documents())
    index = data.draw(st.integers(0, len(documents) - 1))
    path = data.draw(st.sampled_from(list(_paths(documents[index]))[1:]))
    documents[index] = _replaced(documents[index], path, data.draw(st.sampled_from(_WEIRD)))
    namespace = data.draw(st.integers(0, len(documents) - 1))
    chosen = [documents[index], *documents[namespace : namespace + 12], *documents[:9]]
    read = ReadResult()
    text = "---\n".join(json.dumps(each) + "\n" for each in chosen)
    read_bytes(text.encode(), file="x.yaml", into=read)
    result = lint(read, operator=("keywright-system", "keywright"))
    for form in FORMATS.values():
        assert "\x1b" not in form(result).replace("\\u001b", "")
    inventory = Inventory(tuple(place(read)))
    assert len(list(render_all(inventory))) == len(inventory.grants)
    for output in OUTPUTS.values():
        assert isinstance(output(holders_of(inventory, CloudFacts())), str)
