"""Fields that this version reads or writes, and that the installed CRDs do not have.

The API server drops fields that a CRD lacks without an error, so CRDs of an older version make
newer settings ineffective.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import msgspec

from keywright.api.grant import GrantSpec
from keywright.api.names import GRANT_PLURAL, GROUP, SOURCE_PLURAL, VERSION
from keywright.api.source import SourceSpec
from keywright.api.status import GrantStatus, SourceStatus

CRDS: Final[Mapping[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]]] = {
    f"{SOURCE_PLURAL}.{GROUP}": (SourceSpec, SourceStatus),
    f"{GRANT_PLURAL}.{GROUP}": (GrantSpec, GrantStatus),
}
"""The spec and status of each CRD, by its name."""


def missing_fields(crd: Mapping[str, Any]) -> list[str]:
    """The paths of fields that a CRD lacks, such as spec.renewal.windows."""
    name = str((crd.get("metadata") or {}).get("name"))
    schema = _schema(crd)
    spec, status = CRDS[name]
    found: list[str] = []
    for part, kind in (("spec", spec), ("status", status)):
        known = (schema.get("properties") or {}).get(part) or {}
        found += _missing(kind, known, part)
    return found


def _schema(crd: Mapping[str, Any]) -> Mapping[str, Any]:
    versions = (crd.get("spec") or {}).get("versions") or ()
    for version in versions:
        if version.get("name") == VERSION and version.get("served"):
            schema: Mapping[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {}
            return schema
    return {}


def _missing(kind: type[msgspec.Struct], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    properties = schema.get("properties") or {}
    for field in msgspec.structs.fields(kind):
        place = f"{path}.{field.encode_name}"
        known = properties.get(field.encode_name)
        if known is None:
            yield place
            continue
        for nested in _structs(field.type):
            yield from _missing(nested, _inner(known), place)


def _inner(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the items of a list or the values of a map; otherwise the schema itself."""
    values: Any = schema.get("additionalProperties")
    items: Mapping[str, Any] | None = schema.get("items")
    return items or (values if isinstance(values, Mapping) else schema)


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """The structs in a type, such as a union or a tuple."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        return
    for part in get_args(kind):
        yield from _structs(part)
