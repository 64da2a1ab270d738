"""Objects are checked against the shipped CustomResourceDefinitions as the API server does."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.cli.crds import PLURALS, definition_of
from keywright.cli.linting.crd_schema import SchemaErrorKind, check_object, format_path
from keywright.cli.manifest_reader import read_paths
from testbed.world import EXAMPLES, ROOT
from tests.data.invalid.table import Invalid, Refused, resource, rows


@pytest.mark.parametrize("invalid", rows(Refused.APPLY), ids=str)
def test_what_the_api_server_refuses_is_found(invalid: Invalid) -> None:
    """The table that the tests on a real API server use."""
    assert check_object(invalid.body) != []


@pytest.mark.parametrize("invalid", rows(Refused.STALLED), ids=str)
def test_what_the_api_server_accepts_is_accepted(invalid: Invalid) -> None:
    """Only the operator, or another rule, sees these mistakes."""
    assert check_object(invalid.body) == []


def test_the_examples_have_no_errors() -> None:
    """All their sources and grants."""
    found = [each for each in read_paths([str(EXAMPLES)]).manifests if each.kind in PLURALS]
    assert len(found) > 20
    assert [(each.file, check_object(each.body)) for each in found if check_object(each.body)] == []


@pytest.mark.parametrize("kind", PLURALS)
def test_the_definitions_are_those_of_the_repository(kind: str) -> None:
    """The package has no copy that could differ."""
    (manifest,) = read_paths([str(ROOT / "crds" / f"{PLURALS[kind]}.keywright.dev.yaml")]).manifests
    assert manifest.body == definition_of(kind)


def test_errors_name_the_field() -> None:
    """Also a field that is required and absent, and one that a message names."""
    body = resource(
        "ApiKeyGrant",
        spec={
            "bedrockLongTermKey": {"user": {"name": "x"}, "colour": 1},
            "secret": {"data": {"app.ini": 1}},
        },
    )
    found = {(each.kind, format_path(each.path)) for each in check_object(body)}
    assert found == {
        (SchemaErrorKind.STRUCTURE, "spec.sourceRef"),
        (SchemaErrorKind.STRUCTURE, "spec.secret.data[app.ini]"),
        (SchemaErrorKind.UNKNOWN, "spec.bedrockLongTermKey.colour"),
        (SchemaErrorKind.RULE, "spec.bedrockLongTermKey.rotateEvery"),
    }


def test_the_wheel_contains_the_definitions() -> None:
    """The package has a link to the folder `crds`."""
    link = ROOT / "operator" / "keywright" / "crds"
    assert link.is_symlink()
    assert link.resolve() == Path(ROOT / "crds").resolve()
