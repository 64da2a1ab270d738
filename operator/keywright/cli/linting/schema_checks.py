"""Checks of each source and grant alone: the schema, the operator's parser, and the layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from keywright.api.errors import FieldError
from keywright.api.formats import Variable
from keywright.api.names import API_VERSION, GRANT_KIND, GROUP
from keywright.cli.crds import PLURALS, definition_of, schemas_of
from keywright.cli.findings import Finding
from keywright.cli.inventory import GrantEntry, SourceEntry
from keywright.cli.kustomizations import Placed
from keywright.cli.linting import rules
from keywright.cli.linting.context import LintContext, finding, split_cure
from keywright.cli.linting.crd_schema import (
    SchemaErrorKind,
    check_object,
    format_path,
)
from keywright.cli.manifests import list_of, mapping_of
from keywright.secrets.rendering import validate

_NAMES: Final = "|".join(variable.value for variable in Variable)
_FOREIGN: Final = (
    # Go, Helm, Jinja, and the templates of External Secrets.
    re.compile(rf"\{{\{{-?\s*(?:\.|\$|(?:[a-z][A-Za-z0-9]*\s+)+\.)?(?:{_NAMES})\b"),
    re.compile(r"\{\{-?\s*(?:\.[A-Za-z]|\$\.|index\s+\.|[a-zA-Z0-9]+\s+\.[A-Za-z])"),
    # A shell, a Kubernetes env variable, Python.
    re.compile(rf"\$\((?:{_NAMES})\)|\$(?:{_NAMES})\b|%\((?:{_NAMES})\)s"),
)
_RULE_OF_KIND: Final = {
    SchemaErrorKind.UNKNOWN: rules.UNKNOWN_FIELD,
    SchemaErrorKind.STRUCTURE: rules.INVALID_FIELD,
    SchemaErrorKind.RULE: rules.RULE_VIOLATED,
}


def check_kinds(context: LintContext) -> Iterator[Finding]:
    """Kinds and versions that the API group does not have."""
    for placed in context.inventory.objects:
        manifest = placed.manifest
        if manifest.group != GROUP or (
            manifest.api_version == API_VERSION and manifest.kind in PLURALS
        ):
            continue
        known = ", ".join(PLURALS)
        field = "apiVersion" if manifest.kind in PLURALS else "kind"
        yield finding(
            rules.UNKNOWN_KIND,
            placed,
            field,
            f"{manifest.api_version} has no kind {manifest.kind}",
            cure=f"use {API_VERSION} with one of {known}",
        )


def check_specs(context: LintContext) -> Iterator[Finding]:
    """Violations of the schema, then what only the operator's own parser sees."""
    inventory = context.inventory
    entries: list[SourceEntry | GrantEntry] = [*inventory.sources, *inventory.grants]
    for entry in entries:
        placed = entry.placed
        found = [*_foreign_templates(placed), *_deprecated(placed)]
        yield from found
        reported = [each.field for each in found if each.rule is rules.FOREIGN_TEMPLATE]
        schema = list(_schema_findings(placed, reported))
        yield from schema
        reported += [each.field for each in schema]
        errors = list(entry.errors)
        if isinstance(entry, GrantEntry) and entry.spec is not None:
            errors += validate(entry.spec)
        yield from _parser_findings(placed, errors, reported)


def _schema_findings(placed: Placed, reported: list[str]) -> Iterator[Finding]:
    manifest = placed.manifest
    for error in check_object(manifest.body):
        field = format_path(error.path)
        if any(_overlap(field, other) for other in reported):
            continue
        message, cure = split_cure(error.message)
        if "kubectl explain" in cure:
            cure = f"see `kubectl explain {manifest.kind.lower()}.{_without_keys(field)}`"
        yield finding(
            _RULE_OF_KIND[error.kind], placed, error.path, f"{field} {message}", cure=cure
        )


def _parser_findings(
    placed: Placed, errors: list[FieldError], reported: list[str]
) -> Iterator[Finding]:
    """Errors of the parser, without those that the schema has reported."""
    for error in errors:
        if any(_overlap(error.field, other) for other in reported):
            continue
        message, cure = split_cure(error.message)
        yield finding(
            rules.INVALID_SPEC, placed, error.field, f"{error.field}: {message}", cure=cure
        )


def _overlap(one: str, other: str) -> bool:
    """Whether one field is the other, or contains it."""
    return (
        one == other
        or one.startswith((f"{other}.", f"{other}["))
        or other.startswith((f"{one}.", f"{one}["))
    )


def _without_keys(field: str) -> str:
    return re.sub(r"\[[^\]]*\]", "", field)


def _foreign_templates(placed: Placed) -> Iterator[Finding]:
    if placed.manifest.kind != GRANT_KIND:
        return
    secret = mapping_of(mapping_of(placed.manifest.body.get("spec")).get("secret"))
    for key, text in mapping_of(secret.get("data")).items():
        found = next((hit for pattern in _FOREIGN if (hit := pattern.search(str(text)))), None)
        if found is None:
            continue
        shown = str(text)[found.start() : found.start() + 40].splitlines()[0]
        yield finding(
            rules.FOREIGN_TEMPLATE,
            placed,
            ("spec", "secret", "data", key),
            f"spec.secret.data[{key}] contains {shown!r}, which is written as it is",
            cure="write a variable as ${apiKey}",
        )


def _deprecated(placed: Placed) -> Iterator[Finding]:
    manifest = placed.manifest
    version = manifest.api_version.rpartition("/")[2]
    for each in list_of(definition_of(manifest.kind)["spec"]["versions"]):
        if each["name"] == version and each.get("deprecated"):
            warning = each.get("deprecationWarning", "use a newer version")
            yield finding(
                rules.DEPRECATED_FIELD,
                placed,
                "apiVersion",
                f"{manifest.api_version} is deprecated",
                cure=warning,
            )
    schema = schemas_of(manifest.kind)[version]
    for path, text in deprecated_fields(manifest.body, schema, ()):
        field = format_path(path)
        yield finding(rules.DEPRECATED_FIELD, placed, path, f"{field} is deprecated", cure=text)


_DEPRECATED: Final = re.compile(r"^deprecated:\s*", re.IGNORECASE)


def deprecated_fields(
    value: Any, schema: Any, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The fields of a value whose description in the schema begins with `Deprecated:`.

    Each with the rest of the description, which names the replacement.
    """
    description = str(schema.get("description", ""))
    if _DEPRECATED.match(description):
        yield path, _DEPRECATED.sub("", description)
        return
    if isinstance(value, dict):
        for name, member in value.items():
            below = mapping_of(schema.get("properties")).get(name)
            if below is not None and name != "metadata":
                yield from deprecated_fields(member, below, (*path, name))
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from deprecated_fields(item, schema["items"], (*path, index))
