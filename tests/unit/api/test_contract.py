"""The CRDs and the types say the same."""

import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import msgspec
import pytest

from keywright.api.durations import DURATION_PATTERN, PERCENT_PATTERN
from keywright.api.formats import FORMAT_ONLY_VARIABLES, Format, Variable
from keywright.api.grant import ApiKeyGrant, GrantSpec
from keywright.api.keys import KEY_TYPES, KeyKind
from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.api.parsing import parse_grant, parse_source
from keywright.api.source import CredentialSource, SourceSpec
from keywright.api.status import GrantStatus, SourceStatus
from keywright.secrets.formats import FORMATS
from tests.fields.leaves import leaves, used_leaves
from tests.unit.api.samples import ROOT, contract, schema

PAIRS = [
    (SOURCE_PLURAL, "spec", SourceSpec),
    (SOURCE_PLURAL, "status", SourceStatus),
    (GRANT_PLURAL, "spec", GrantSpec),
    (GRANT_PLURAL, "status", GrantStatus),
]


def _bare(hint: Any) -> Any:  # any type hint there is
    """A type without its `| None`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = [option for option in typing.get_args(hint) if option is not type(None)]
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint


def _differences(part: Mapping[str, Any], hint: Any, *, at: str) -> Iterator[str]:  # as above
    """Where a part of the schema and a type disagree, downwards."""
    hint = _bare(hint)
    origin = typing.get_origin(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from _struct_differences(part, hint, at=at)
    elif origin is tuple:
        if part.get("type") != "array":
            yield f"{at}: the type has a list, the schema {part.get('type')}"
        else:
            yield from _differences(part["items"], typing.get_args(hint)[0], at=f"{at}[]")
    elif part.get("x-kubernetes-preserve-unknown-fields"):
        if origin is None or not issubclass(origin, Mapping):
            yield f"{at}: free in the schema, {hint} in the type"
    elif origin is not None:
        if "additionalProperties" not in part:
            yield f"{at}: the type has a map, the schema none"
        else:
            value = typing.get_args(hint)[1]
            yield from _differences(part["additionalProperties"], value, at=f"{at}{{}}")
    else:
        yield from _scalar_differences(part, hint, at=at)


def _scalar_differences(part: Mapping[str, Any], hint: type, *, at: str) -> Iterator[str]:
    names = {str: "string", datetime: "string", int: "integer", float: "number", bool: "boolean"}
    if issubclass(hint, Enum):
        if part.get("enum") != [member.value for member in hint]:
            yield f"{at}: {part.get('enum')} in the schema, {list(hint)} in the type"
    elif part.get("type") != names[hint] or "enum" in part:
        yield f"{at}: {part.get('type')} in the schema, {hint} in the type"


def _struct_differences(
    part: Mapping[str, Any], struct: type[msgspec.Struct], *, at: str
) -> Iterator[str]:
    properties = part.get("properties", {})
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name in properties.keys() ^ fields.keys():
        yield f"{at}.{name}: in only one of schema and type"
    for name in properties.keys() & fields.keys():
        field, inner = fields[name], properties[name]
        if field.required != (name in part.get("required", [])):
            yield f"{at}.{name}: required in only one of schema and type"
        if "default" in inner and msgspec.to_builtins(field.default) != inner["default"]:
            yield f"{at}.{name}: {inner['default']} by default in the schema, not in the type"
        yield from _differences(inner, field.type, at=f"{at}.{name}")


def _objects(part: Mapping[str, Any], *, at: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield at, part
    for name, inner in part.get("properties", {}).items():
        yield from _objects(inner, at=f"{at}.{name}")
    for name in ("items", "additionalProperties"):
        if name in part:
            yield from _objects(part[name], at=f"{at}[]")


def _rules(plural: str) -> str:
    return "\n".join(
        rule["rule"]
        for _, part in _objects(schema(plural), at="")
        for rule in part.get("x-kubernetes-validations", [])
    )


@pytest.mark.parametrize(("plural", "part", "struct"), PAIRS)
def test_schema_and_types_agree_field_by_field(
    plural: str, part: str, struct: type[msgspec.Struct]
) -> None:
    """Every field of the CRD is read, and every field that is read is in the CRD.

    Names, types, enums, what is required and what is the default are the same.
    """
    found = list(_differences(schema(plural)["properties"][part], struct, at=part))
    assert found == []


def test_every_field_of_the_contract_is_in_a_right_resource() -> None:
    """The resources of contract.yaml, which an API server lets in, leave no field out."""
    plurals = {"CredentialSource": SOURCE_PLURAL, "ApiKeyGrant": GRANT_PLURAL}
    used = {plural: set[str]() for plural in plurals.values()}
    for body in contract():
        plural = plurals[body["kind"]]
        used[plural] |= set(used_leaves(schema(plural)["properties"]["spec"], body["spec"]))
    missing = {
        plural: sorted(set(leaves(schema(plural)["properties"]["spec"])) - found)
        for plural, found in used.items()
    }
    assert missing == {SOURCE_PLURAL: [], GRANT_PLURAL: []}


@pytest.mark.parametrize("body", contract(), ids=lambda body: body["metadata"]["name"])
def test_a_right_resource_is_read(body: dict[str, Any]) -> None:
    """What the contract shows has no problem."""
    parse = parse_source if body["kind"] == "CredentialSource" else parse_grant
    assert isinstance(parse(body), CredentialSource | ApiKeyGrant)


def _is_free(part: Mapping[str, Any]) -> bool:
    return bool(part.get("x-kubernetes-preserve-unknown-fields"))


@pytest.mark.parametrize("plural", [SOURCE_PLURAL, GRANT_PLURAL])
def test_a_policy_document_has_the_form_of_one(plural: str) -> None:
    """Version, statements, their Sid and Effect are typed; the rest is the cloud's language."""
    documents = [
        part for at, part in _objects(schema(plural), at="") if _is_free(part) and at[-2:] != "[]"
    ]
    documents += [
        part
        for at, part in _objects(schema(plural), at="")
        if at.endswith("inlinePolicies[]") and _is_free(part)
    ]
    assert documents
    for part in documents:
        statements = part["properties"]["Statement"]
        assert (part["properties"]["Version"]["type"], statements["type"]) == ("string", "array")
        statement = statements["items"]["properties"]
        assert statement["Sid"]["type"] == "string"
        assert statement["Effect"]["enum"] == ["Allow", "Deny"]


@pytest.mark.parametrize("plural", [SOURCE_PLURAL, GRANT_PLURAL])
def test_every_field_has_a_description_and_bounds(plural: str) -> None:
    """`kubectl explain` says something about every field; nothing may grow without end."""
    for at, part in _objects(schema(plural), at=""):
        if at == ".metadata":
            continue
        assert part.get("description"), at
        match part.get("type"):
            case "string" if "enum" not in part:
                assert "maxLength" in part or at in (".apiVersion", ".kind"), at
            case "array":
                assert "maxItems" in part, at
            case "object" if "additionalProperties" in part or _is_free(part):
                assert "maxProperties" in part, at
            case "integer" | "number" if at.startswith(".spec"):
                assert "maximum" in part, at
            case _:
                pass


@pytest.mark.parametrize("plural", [SOURCE_PLURAL, GRANT_PLURAL])
def test_the_crd_is_small_and_starts_in_progress(plural: str) -> None:
    """A CRD fits into a client-side apply; a new object is not ready before it was looked at."""
    path = ROOT / "crds" / f"{plural}.keywright.dev.yaml"
    assert path.stat().st_size < 200_000
    assert schema(plural)["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_the_rules_know_the_formats_that_a_kind_can_fill() -> None:
    """CEL and the operator refuse the same formats of a kind."""
    rules = _rules(GRANT_PLURAL)
    for kind in KeyKind:
        fits = ", ".join(f"'{form}'" for form in Format if form in KEY_TYPES[kind].formats)
        assert f"!has(self.{kind}) || !has(self.secret)" in rules
        assert f"self.secret.formats.all(f, f in [{fits}])" in rules


def test_the_rules_know_the_keys_of_each_format() -> None:
    """CEL refuses a key of `data` that a format writes, for the very keys that it does write."""
    rules = _rules(GRANT_PLURAL)
    for form, templates in FORMATS.items():
        keys = ", ".join(f"'{key}'" for key in templates)
        assert f"'{form}': [{keys}]" in rules


def test_the_rules_know_the_variables_of_each_kind() -> None:
    """CEL refuses exactly the variables that a kind does not have."""
    rules = _rules(GRANT_PLURAL)
    usable = {name for name in Variable if name not in FORMAT_ONLY_VARIABLES}
    (known,) = re.findall(r"self[.]matches\(r'(\^\(\[\^[$]\].*?)'\)", rules)
    assert {name for name in Variable if re.search(known, f"${{{name}}}")} == usable
    for kind in KeyKind:
        (foreign,) = re.findall(
            rf"!has\(self[.]{kind}\) [^!]*!has[^!]*!has[^!]*!self[^!]*matches\(r'(.*?)'\)", rules
        )
        refused = {name for name in usable if re.search(foreign, f"${{{name}|json}}")}
        assert refused == usable - KEY_TYPES[kind].variables


def test_the_rules_know_how_durations_and_percentages_look() -> None:
    """CEL and the operator read durations alike."""
    assert f"self.matches(r'{DURATION_PATTERN}')" in _rules(SOURCE_PLURAL)
    assert f"self.matches(r'{PERCENT_PATTERN}')" in _rules(GRANT_PLURAL)
