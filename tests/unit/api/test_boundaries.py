"""At the boundaries of each field, the parser refuses what the API server refuses."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from keywright.api.grant import ApiKeyGrant
from keywright.api.parsing import parse_grant, parse_source
from keywright.cli.linting.crd_schema import check_object
from keywright.secrets.rendering import validate
from tests.unit.api.samples import contract, schema

Part = Mapping[str, Any]
Path = tuple[str | int, ...]

PLURALS: Final = {"ApiKeyGrant": "apikeygrants", "CredentialSource": "credentialsources"}
_ONLY_THE_PARSER: Final = {
    # rotateEvery of the resource must be shorter, which CEL cannot compare.
    ("spec.bedrockLongTermKey.expiresAfterDays", "smallest"),
    ("spec.awsLongTermKey.expiresAfterDays", "smallest"),
    ("spec.renewal.windows[].schedule", "slash"),
    ("spec.renewal.windows[].timeZone", "slash"),
    ("spec.renewal.windows[].timeZone", "upper"),
}
"""What only the operator can see: times in relation, and names of an operating system."""
_MAY_BE_EMPTY: Final = {
    "spec.bedrockLongTermKey.policyArns": "no managed policies, instead of the default",
    "spec.awsLongTermKey.policyArns": "likewise",
    "spec.apiGatewayKey.usagePlan.create.apiStages": "a plan that is filled later",
    "spec.apiGatewayKey.additionalUsagePlans[].create.apiStages": "likewise",
    "spec.apiGatewayKey.additionalUsagePlans": "as if it were absent",
    "spec.secret.formats": "only spec.secret.data is written",
    "spec.rollout.restart": "nothing is restarted",
    "spec.rollout.restart[].selector.matchExpressions": "as in Kubernetes",
    "spec.rollout.restart[].selector.matchExpressions[].values": "a rule of the requirement",
    "spec.allowedNamespaces.selector.matchExpressions": "as in Kubernetes",
    "spec.allowedNamespaces.selector.matchExpressions[].values": "a rule of the requirement",
    "spec.aws.assumeRoles": "no role is assumed after the identity",
    "spec.aws.assumeRoles[].transitiveTagKeys": "as if it were absent",
    "spec.alibabaCloud.assumeRoles": "likewise",
}
"""Lists that may be empty, and what that means."""


def _spec_schema(kind: str) -> Part:
    found: Part = schema(PLURALS[kind])["properties"]["spec"]
    return found


def _positions(value: object, part: Part, path: Path) -> Iterator[tuple[Path, Any, Part]]:
    """Every value of a resource, with its path and its part of the schema."""
    yield path, value, part
    if part.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            below = part.get("properties", {}).get(name) or part.get("additionalProperties")
            if isinstance(below, dict):
                yield from _positions(inner, below, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _positions(inner, part["items"], (*path, index))


def _edges(_: object, part: Part) -> Iterator[tuple[str, Any]]:
    """Values at the boundaries where an accepted one would mean something else than was written."""
    match part.get("type"):
        case "string":
            yield "empty", ""
            if "enum" in part:
                yield "enum", "Nope"
        case "integer" | "number":
            for bound, step, inside in (("minimum", -1, "smallest"), ("maximum", 1, "largest")):
                if bound in part:
                    yield bound, part[bound] + step
                    yield inside, part[bound]
            if part["type"] == "integer":
                yield "fraction", 1.5
        case "array":
            yield "empty", []
            yield "no list", "text"
        case "boolean":
            yield "text", "yes"
        case _:
            return
    yield "object", {}


def _forms(value: Any, part: Part) -> Iterator[tuple[str, Any]]:
    """Other forms, sizes and numbers of items: what the parser refuses, the API server must too."""
    if part.get("type") == "string":
        yield "newline", f"{value}\n"
        yield "space", f" {value}"
        yield "slash", f"{value}/"
        yield "upper", value.upper()
        yield "long", value + (value or "a")[-1] * (part.get("maxLength", 0) + 1 - len(value))
    if part.get("type") == "array" and value:
        yield "twice", [*value, value[0]]
        yield "many", [copy.deepcopy(value[0])] * (part.get("maxItems", 0) + 1)


def _changed(body: Mapping[str, Any], path: Path, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(dict(body))
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def _shown(path: Path) -> str:
    text = "".join("[]" if isinstance(step, int) else f".{step}" for step in path)
    return re.sub(r"\.[^.\[]*/[^.\[]*", "{}", text.removeprefix("."))


def _parser_refuses(body: dict[str, Any]) -> bool:
    parsed = parse_grant(body) if body["kind"] == "ApiKeyGrant" else parse_source(body)
    return isinstance(parsed, list) or (isinstance(parsed, ApiKeyGrant) and bool(validate(parsed)))


def _verdicts(kind: str, *, edges: bool) -> Iterator[tuple[str, str, bool, bool]]:
    """The field, the change, and whether schema and parser refuse it, for each change."""
    for body in (each for each in contract() if each["kind"] == kind):
        for path, value, part in _positions(body["spec"], _spec_schema(kind), ("spec",)):
            for change, other in (_edges if edges else _forms)(value, part):
                changed = _changed(body, path, other)
                schema_refuses = bool(check_object(changed))
                yield _shown(path), change, schema_refuses, _parser_refuses(changed)


@pytest.mark.parametrize("kind", PLURALS)
def test_both_refuse_the_same_at_the_boundaries(kind: str) -> None:
    """Empty values, numbers out of bounds, unknown choices and wrong types."""
    verdicts = list(_verdicts(kind, edges=True))
    assert {change for _, change, schema_refuses, _ in verdicts if schema_refuses} >= {
        *("empty", "enum", "minimum", "maximum", "no list", "text", "fraction"),
    } - ({"enum", "minimum", "maximum", "fraction"} if kind == "CredentialSource" else set())
    differing = {
        (field, change, "the schema" if schema_refuses else "the parser")
        for field, change, schema_refuses, parser_refuses in verdicts
        if schema_refuses != parser_refuses and (field, change) not in _ONLY_THE_PARSER
    }
    assert differing == set()


@pytest.mark.parametrize("kind", PLURALS)
def test_the_parser_refuses_nothing_that_was_applied(kind: str) -> None:
    """Except for what only the operator can see; sizes and forms alone are the API server's."""
    differing = {
        (field, change)
        for field, change, schema_refuses, parser_refuses in _verdicts(kind, edges=False)
        if parser_refuses and not schema_refuses
    }
    assert differing <= _ONLY_THE_PARSER


def _lists(part: Part, path: str) -> Iterator[tuple[str, Part]]:
    if part.get("type") == "array":
        yield path, part
        yield from _lists(part["items"], f"{path}[]")
    for name, inner in part.get("properties", {}).items():
        yield from _lists(inner, f"{path}.{name}")
    below = part.get("additionalProperties")
    if isinstance(below, dict):
        yield from _lists(below, f"{path}{{}}")


def test_an_empty_list_is_refused_or_has_a_meaning() -> None:
    """An empty list of limits would mean no limit: `kubectl apply` refuses it."""
    every = {path: part for kind in PLURALS for path, part in _lists(_spec_schema(kind), "spec")}
    lax = {path for path, part in every.items() if not part.get("minItems")}
    assert lax == set(_MAY_BE_EMPTY)
    strict = set(every) - lax
    assert {"spec.sessionCredentials.policyArns", "spec.aws.webIdentity.policyArns"} <= strict
