"""CustomResourceDefinitions: their validation, and the resources that they define."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded import columns, field_errors, structures
from testbed.clusters.embedded.documents import (
    Document,
    Value,
    compact,
    metadata_of,
    timestamp,
)
from testbed.clusters.embedded.durations import age
from testbed.clusters.embedded.jsonpath import PathSyntaxError, compile_path
from testbed.clusters.embedded.nodes import compile_schema
from testbed.clusters.embedded.resources import Column, Resource
from testbed.clusters.embedded.rules import RuleError
from testbed.clusters.embedded.schema import Validator

if TYPE_CHECKING:
    from testbed.clusters.embedded.field_errors import FieldProblem

_SCALARS: Final = (str, int, float, bool)


def complete(definition: Document) -> Document:
    """The definition with the names and settings that have defaults."""
    spec = definition.get("spec") or {}
    names = spec.get("names") or {}
    kind = names.get("kind", "")
    names = {"singular": kind.lower(), "listKind": f"{kind}List", **names}
    conversion = spec.get("conversion") or {"strategy": "None"}
    return {**definition, "spec": {**spec, "names": names, "conversion": conversion}}


def check(definition: Document) -> list[FieldProblem]:
    """The errors of a definition, as far as users of the testbed are likely to make them."""
    spec = definition["spec"]
    found = []
    expected = f"{spec['names'].get('plural')}.{spec.get('group')}"
    if metadata_of(definition).get("name") != expected:
        detail = 'must be spec.names.plural+"."+spec.group'
        found.append(
            field_errors.invalid_value("metadata.name", metadata_of(definition)["name"], detail)
        )
    versions = spec.get("versions") or ()
    if sum(bool(one.get("storage")) for one in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        found.append(field_errors.invalid_value("spec.versions", versions, detail))
    for index, version in enumerate(versions):
        single = len(versions) == 1
        place = "spec.validation" if single else f"spec.versions[{index}].schema"
        try:
            compile_schema(_schema(version), path=f"{place}.openAPIV3Schema")
        except RuleError as error:
            found.append(_rule_problem(error))
    return found


def _rule_problem(error: RuleError) -> FieldProblem:
    rule = error.rule
    shown = {
        "Rule": rule["rule"],
        "Message": rule.get("message", ""),
        "MessageExpression": rule.get("messageExpression", ""),
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath", ""),
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }
    return field_errors.invalid_value(error.path, shown, f"compilation failed: {error}")


def established(definition: Document) -> Document:
    """The status for a served definition."""
    names = definition["spec"]["names"]
    storage = [one["name"] for one in definition["spec"]["versions"] if one.get("storage")]
    before = (definition.get("status") or {}).get("conditions")
    return {
        "conditions": before
        or [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            _condition(
                "Established", "InitialNamesAccepted", "the initial names have been accepted"
            ),
        ],
        "acceptedNames": names,
        "storedVersions": storage,
    }


def _condition(kind: str, reason: str, message: str) -> Document:
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": timestamp(),
        "reason": reason,
        "message": message,
    }


def resources_of(definition: Document) -> list[Resource]:
    """The resources of a definition, one for each served version."""
    spec = definition["spec"]
    return [_resource(spec, version) for version in spec["versions"] if version.get("served")]


def _resource(spec: Document, version: Document) -> Resource:
    names = spec["names"]
    schema = _schema(version)
    known = {"metadata": structures.METADATA, "apiVersion": {}, "kind": {}}
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names["singular"],
        kind=names["kind"],
        list_kind=names["listKind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in (version.get("subresources") or {}),
        counts_generations=True,
        columns=_columns(version.get("additionalPrinterColumns")),
        ownership={**schema, "properties": {**(schema.get("properties") or {}), **known}},
        validator=Validator(compile_schema(schema)),
        openapi=schema,
    )


def _schema(version: Document) -> Document:
    schema: Document = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return schema


def _columns(declared: list[Document] | None) -> tuple[Column, ...]:
    if not declared:
        return columns.PLAIN
    return (columns.NAME, *(_column(one) for one in declared))


def _column(declared: Document) -> Column:
    path = declared["jsonPath"]
    try:
        find = compile_path(path)
    except PathSyntaxError:
        find = compile_path(".metadata.unsupportedPath")
    is_date = declared["type"] == "date"

    def cell(item: Document) -> Value:
        values = find(item)
        if not values:
            return None
        value = values[0]
        if is_date:
            return age(value) if isinstance(value, str) else None
        if declared["type"] == "string" and not isinstance(value, str):
            return compact(value) if value is not None else None
        return value if isinstance(value, _SCALARS) else compact(value)

    return Column(
        name=declared["name"],
        type=declared["type"],
        format=declared.get("format", ""),
        priority=declared.get("priority", 0),
        description=declared.get("description")
        or f"Custom resource definition column (in JSONPath format): {path}",
        cell=cell,
    )
