"""The rules of the API server for some built-in kinds, as far as this project needs them.

`prepare` completes the document of a client, `check` returns its errors.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded import crds, events
from testbed.clusters.embedded.documents import Document, metadata_of, with_metadata
from testbed.clusters.embedded.field_errors import (
    FieldProblem,
    bad_request,
    forbidden,
    invalid_value,
    required,
)

if TYPE_CHECKING:
    from testbed.clusters.embedded.resources import Resource

_CONFIG_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+\Z")
_CONFIG_KEY_TEXT: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_ANY_NAME: Final = "rbac.authorization.k8s.io"
_NAME_LENGTH: Final = 253
_ALPHABET: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def name_problems(resource: Resource, name: str) -> list[FieldProblem]:
    """Whether an object may have this name."""
    if resource.group == _ANY_NAME:
        return []
    strict = resource.kind in {"Namespace", "Service"}
    pattern, text = (_LABEL, _LABEL_TEXT) if strict else (_SUBDOMAIN, _SUBDOMAIN_TEXT)
    if len(name) > _NAME_LENGTH:
        return [invalid_value("metadata.name", name, "must be no more than 253 bytes")]
    if not pattern.match(name):
        return [invalid_value("metadata.name", name, text)]
    return []


def prepare(resource: Resource, document: Document, *, creating: bool) -> Document:
    """Complete a document; raises ApiError (400) if it cannot be parsed as its kind."""
    match resource.kind:
        case "Secret":
            return _prepare_secret(document)
        case "Event":
            return events.complete(document)
        case "Service":
            spec = document.get("spec") or {}
            return {**document, "spec": {"type": "ClusterIP", "sessionAffinity": "None", **spec}}
        case "Namespace":
            return _prepare_namespace(document) if creating else document
        case "CustomResourceDefinition":
            completed = crds.complete(document)
            if crds.check(completed):
                return completed
            return {**completed, "status": crds.established(completed)}
        case _:
            return document


def _prepare_secret(document: Document) -> Document:
    data = document.get("data")
    prepared = {name: value for name, value in document.items() if name != "stringData"}
    for value in (data or {}).values():
        _require_base64(value)
    if texts := document.get("stringData"):
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        prepared["data"] = {**(data or {}), **encoded}
    elif not data:
        prepared.pop("data", None)
    prepared["type"] = document.get("type") or "Opaque"
    return prepared


def _require_base64(value: object) -> None:
    what = 'Secret in version "v1" cannot be handled as a Secret'
    if value is None:
        return
    if not isinstance(value, str):
        kind = {bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
        raise bad_request(
            f"{what}: json: cannot unmarshal {kind} into Go struct field Secret.data "
            "of type []uint8"
        )
    match = _ALPHABET.match(value)
    legal = match.end() if match else 0
    if legal == len(value) and len(value) % 4 == 0:
        return
    position = legal if legal < len(value) else len(value) // 4 * 4
    raise bad_request(f"{what}: illegal base64 data at input byte {position}")


def _prepare_namespace(document: Document) -> Document:
    metadata = metadata_of(document)
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    return {
        **with_metadata(document, labels=labels),
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def check(resource: Resource, document: Document, old: Document | None) -> list[FieldProblem]:
    """The errors of a document of a built-in kind."""
    match resource.kind:
        case "Secret" | "ConfigMap":
            return _check_data(document, old, typed=resource.kind == "Secret")
        case "CustomResourceDefinition":
            return crds.check(document)
        case "Lease":
            return _check_lease(document)
        case _:
            return []


def _check_data(document: Document, old: Document | None, *, typed: bool) -> list[FieldProblem]:
    found = [
        invalid_value(f"data[{name}]", name, _CONFIG_KEY_TEXT)
        for name in document.get("data") or {}
        if not _CONFIG_KEY.match(name)
    ]
    if old is None:
        return found
    if typed and document.get("type") != old.get("type"):
        found.append(invalid_value("type", document.get("type"), "field is immutable"))
    if old.get("immutable"):
        found += [
            forbidden(name, "field is immutable when `immutable` is set")
            for name in ("immutable", "data", "binaryData")
            if document.get(name) != old.get(name)
        ]
    return found


def _check_lease(document: Document) -> list[FieldProblem]:
    spec = document.get("spec") or {}
    found = []
    for name in ("leaseDurationSeconds", "leaseTransitions"):
        value = spec.get(name)
        least = 1 if name == "leaseDurationSeconds" else 0
        if value is not None and value < least:
            detail = "must be greater than 0" if least else "must be greater than or equal to 0"
            found.append(invalid_value(f"spec.{name}", value, detail))
    return found


def name_required() -> FieldProblem:
    """The error of a create without a name."""
    return required("metadata.name", "name or generateName is required")
