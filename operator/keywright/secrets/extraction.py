"""Apply configurations extracted from an existing Secret: the fields of this field manager."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from keywright.api.formats import OPAQUE
from keywright.api.names import (
    ANNOTATION_OWNER,
    ANNOTATION_WARNING,
    API_VERSION,
    LEGACY_ANNOTATION_OWNER,
    LEGACY_ANNOTATION_WARNING,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    RESERVED_PREFIX,
    WATCH_LABEL,
    WATCH_LABEL_VALUE,
)
from keywright.secrets.ownership import field_of, owned_fields

_GROUPS: Final = ("labels", "annotations")
# Entries that the API server requires of a type, without content and in base64: no login at all.
_REQUIRED: Final[Mapping[str, Mapping[str, str]]] = {
    "kubernetes.io/dockerconfigjson": {".dockerconfigjson": "e30="}
}
_RENAMED: Final = {
    LEGACY_ANNOTATION_OWNER: ANNOTATION_OWNER,
    LEGACY_ANNOTATION_WARNING: ANNOTATION_WARNING,
}


def with_watch_label(secret: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an apply that only adds the watch label to a Secret.

    All fields of this field manager are repeated unchanged, since an apply removes what it omits;
    annotations with a legacy name get their current one.
    The API server rejects it if the Secret has changed since it was read.
    """
    metadata = secret["metadata"]
    owned = owned_fields(metadata)
    owned_metadata = owned.get("f:metadata") or {}
    labels = _owned(metadata.get("labels"), by=owned_metadata.get("f:labels"))
    annotations = _owned(metadata.get("annotations"), by=owned_metadata.get("f:annotations"))
    references = owned_metadata.get("f:ownerReferences") or {}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {**labels, WATCH_LABEL: WATCH_LABEL_VALUE},
            "annotations": _with_current_names(annotations),
            "ownerReferences": [
                reference
                for reference in metadata.get("ownerReferences") or ()
                if f'k:{{"uid":"{reference.get("uid")}"}}' in references
            ],
        },
        "type": secret.get("type", OPAQUE),
        "data": _owned(secret.get("data"), by=owned.get("f:data")),
    }


def without_ours(metadata: Mapping[str, Any], *, type_: str) -> dict[str, Any]:
    """The body of an apply that removes all fields of this field manager from a Secret.

    Fields that others own or share stay, and an entry that the type requires stays without its
    content. The API server rejects it if the Secret has changed since it was read.
    """
    identity = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": identity}
    if type_ != OPAQUE:
        # If omitted it would be the default, and a type is immutable.
        body["type"] = type_
    emptied = _owned(_REQUIRED.get(type_), by=owned_fields(metadata).get("f:data"))
    return {**body, "data": emptied} if emptied else body


def legacy_annotations(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """A merge patch that removes legacy annotations which an apply left; None if none is left.

    Another field manager owns them too, such as a backup tool, or has added them.
    """
    legacy = _RENAMED.keys() & (answer.get("annotations") or {}).keys()
    if not legacy:
        return None
    identity = {key: answer[key] for key in ("uid", "resourceVersion")}
    return {"metadata": {**identity, "annotations": dict.fromkeys(sorted(legacy))}}


def shared_marks(answer: Mapping[str, Any], *, keys: Iterable[str]) -> dict[str, Any] | None:
    """A merge patch that removes Keywright fields which an apply left since they are shared.

    Labels and annotations of Keywright are removed regardless of the owner; `keys` are the data
    keys that were written. None if none is left.
    """
    annotations = [name for name in answer.get("annotations") or () if _is_mark(name)]
    ours = {WATCH_LABEL: WATCH_LABEL_VALUE, MANAGED_BY_LABEL: MANAGED_BY}
    shown = answer.get("labels") or {}
    labels = [name for name, value in ours.items() if shown.get(name) == value]
    references = answer.get("ownerReferences") or ()
    others = [each for each in references if each.get("apiVersion") != API_VERSION]
    if not annotations and not labels and len(others) == len(references):
        return None
    metadata: dict[str, Any] = {
        "uid": answer["uid"],
        "resourceVersion": answer["resourceVersion"],
        "annotations": dict.fromkeys(annotations),
        "labels": dict.fromkeys(labels),
        "ownerReferences": others or None,
    }
    return {"metadata": metadata, "data": dict.fromkeys(keys)}


def _is_mark(name: str) -> bool:
    return name.startswith(RESERVED_PREFIX)


def changed_at_admission(
    applied: Mapping[str, Any], answer: Mapping[str, Any], *, ignored: frozenset[str]
) -> tuple[str, ...]:
    """The labels and annotations of an apply that the response lacks or has with another value.

    `applied` and `answer` are metadata. An admission webhook or policy has changed them.
    """
    return tuple(
        field_of(f"metadata.{group}", name)
        for group in _GROUPS
        for name, value in sorted((applied.get(group) or {}).items())
        if name not in ignored and (answer.get(group) or {}).get(name) != value
    )


def _with_current_names(annotations: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {_RENAMED[name]: annotations[name] for name in annotations.keys() & _RENAMED.keys()}
    return renamed | {name: annotations[name] for name in annotations if name not in _RENAMED}


def _owned(values: Mapping[str, Any] | None, *, by: Mapping[str, Any] | None) -> dict[str, Any]:
    owned = by or {}
    return {name: value for name, value in (values or {}).items() if f"f:{name}" in owned}
