"""The table of what has no code yet."""

from collections.abc import Mapping
from typing import Any

import pytest

from keywright.planning.unimplemented import (
    GRANT_ROWS,
    SOURCE_ROWS,
    unimplemented_in_grant,
    unimplemented_in_source,
)
from tests.unit.api.samples import grant, parsed_source, schema, source, source_body

_NO_KEY = {"bedrockShortTermKey": None}
GRANTS: Mapping[str, dict[str, Any]] = {
    "spec.bearerToken": _NO_KEY | {"bearerToken": {}},
    "spec.rollout.restart": {"rollout": {"restart": [{"kind": "Deployment", "name": "chat"}]}},
}
_REFERENCE = {"secretRef": {"name": "key"}}
SOURCES: Mapping[str, dict[str, Any]] = {
    "spec.alibabaCloud": {"alibabaCloud": {"regionId": "cn-hangzhou", "accessKey": _REFERENCE}},
}


@pytest.mark.parametrize("row", [field for field, _ in GRANT_ROWS])
def test_each_row_of_grants_is_found_by_its_field(row: str) -> None:
    """A grant that uses the field, and nothing else of the table, is told that field alone."""
    assert unimplemented_in_grant(grant(**GRANTS[row])) == (row,)


@pytest.mark.parametrize("row", [field for field, _ in SOURCE_ROWS])
def test_each_row_of_sources_is_found_by_its_field(row: str) -> None:
    """So is a source."""
    found = parsed_source(source_body() | {"spec": SOURCES[row]})
    assert unimplemented_in_source(found) == (row,)


def test_what_has_code_is_not_in_the_table() -> None:
    """The plain Bedrock grant and its source are let through; a namespace of one's own is none."""
    assert unimplemented_in_grant(grant()) == ()
    assert unimplemented_in_grant(grant(sourceRef={"name": "bedrock", "namespace": "chat"})) == ()
    assert unimplemented_in_source(source()) == ()


def test_the_samples_have_no_row_that_left_the_table() -> None:
    """A row leaves with the code that makes it true, and its sample with it."""
    assert set(GRANTS) == {field for field, _ in GRANT_ROWS}
    assert set(SOURCES) == {field for field, _ in SOURCE_ROWS}


@pytest.mark.parametrize(
    ("plural", "field"),
    [("apikeygrants", field) for field, _ in GRANT_ROWS]
    + [("credentialsources", field) for field, _ in SOURCE_ROWS],
)
def test_the_table_names_fields_that_exist(plural: str, field: str) -> None:
    """Every path stands in the schema that users apply."""
    place = schema(plural)
    for step in field.split("."):
        assert step in place["properties"], step
        place = place["properties"][step]
