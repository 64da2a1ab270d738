"""The metadata of a Secret, and its owner, without any value."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from itertools import islice
from sys import intern
from typing import Any, Final

import msgspec

from keywright.api.grant import ApiKeyGrant, parse_requests
from keywright.api.names import (
    ANNOTATION_CLUSTER_ID,
    ANNOTATION_ENTRIES,
    ANNOTATION_EXPIRES_AT,
    ANNOTATION_FINGERPRINT,
    ANNOTATION_GRANT_ID,
    ANNOTATION_GRANT_PROOF,
    ANNOTATION_HANDLED_REQUEST,
    ANNOTATION_ISSUED_AT,
    ANNOTATION_KEY_ID,
    ANNOTATION_KEY_PROOF,
    ANNOTATION_OWNER,
    ANNOTATION_PREVIOUS_KEY,
    ANNOTATION_RENEW_AT,
    ANNOTATION_REPLACES,
    ANNOTATION_REPLACES_PROOF,
    ANNOTATION_REVISION,
    ANNOTATION_WARNING,
    API_VERSION,
    FIELD_MANAGER,
    GRANT_KIND,
    LEGACY_ANNOTATION_OWNER,
    LEGACY_ANNOTATION_WARNING,
    WATCH_LABEL,
    WATCH_LABEL_VALUE,
)
from keywright.api.status import GrantStatus
from keywright.api.times import time_or_none

_ID_LIMIT: Final = 1024
_UID_LIMIT: Final = 128
_WARNING_LIMIT: Final = 4096
_SHARED_LIMIT: Final = 64
_FINGERPRINT_LIMIT: Final = 512
_MAX_MANAGERS: Final = 8
_MANAGER_LIMIT: Final = 128
_IDS: Final = (
    ("key_id", ANNOTATION_KEY_ID),
    ("replaces", ANNOTATION_REPLACES),
    ("key_proof", ANNOTATION_KEY_PROOF),
    ("replaces_proof", ANNOTATION_REPLACES_PROOF),
    ("grant_proof", ANNOTATION_GRANT_PROOF),
)
OWNER_REFERENCES: Final = "metadata.ownerReferences"
_DIGEST: Final = re.compile("[0-9a-f]{32}")
_REVISION: Final = re.compile("[0-9]{1,9}")


class Ownership(Enum):
    """The relation of an existing Secret to a grant."""

    OWNED = "Owned"
    UNOWNED = "Unowned"
    OWNED_BY_OTHER = "OwnedByOther"


@dataclass(frozen=True, slots=True)
class OwnerAnnotation:
    """The grant that the annotations of a Secret name."""

    namespace: str
    name: str
    uid: str


class ManagedSecret(msgspec.Struct, frozen=True):
    """The in-memory metadata of a Secret; ten thousand of them are a few megabytes.

    The `owned_...` sets are the fields that server-side apply records for the field manager
    `keywright`; Secrets of the same layout share them. `owner_uid` is the uid in the owner
    reference that Keywright wrote. `owner_applied`: the owner annotation has the value that
    Keywright applied; otherwise it was edited, or is absent. `others`: the fields of data, labels,
    annotations and owner references that other field managers own, by manager; bounded. `watched`:
    it has the label that the watch selects. `previous_id` is the key whose value it contains as the
    previous one, with a keyed `previous_hash` of that value.
    """

    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""
    deleting: bool = False
    owner_annotation: OwnerAnnotation | None = None
    owner_applied: bool = False
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    renew_at: datetime | None = None
    revision: int = 0
    fingerprint: str | None = None
    owner_uid: str | None = None
    owned_keys: frozenset[str] = frozenset()
    owned_labels: frozenset[str] = frozenset()
    owned_annotations: frozenset[str] = frozenset()
    key_id: str | None = None
    replaces: str | None = None
    key_proof: str | None = None
    replaces_proof: str | None = None
    grant_id: str | None = None
    cluster_id: str | None = None
    grant_proof: str | None = None
    entries: str | None = None
    warning: str = ""
    handled_requests: tuple[str, ...] = ()
    watched: bool = True
    others: tuple[tuple[str, frozenset[str]], ...] = ()
    previous_id: str | None = None
    previous_hash: str | None = None


def managed_secret_from(meta: Mapping[str, Any]) -> ManagedSecret:
    """Parse the `metadata` of a Secret; malformed or forged values count as absent.

    An annotation of the name that earlier versions used counts only if the current one is missing.
    """
    annotations = meta.get("annotations") or {}
    owned = owned_fields(meta)
    owned_meta = _mapping(owned.get("f:metadata"))
    owned_annotations = _names(owned_meta.get("f:annotations"))
    owner = ANNOTATION_OWNER if ANNOTATION_OWNER in annotations else LEGACY_ANNOTATION_OWNER
    warning = annotations.get(ANNOTATION_WARNING) or annotations.get(LEGACY_ANNOTATION_WARNING, "")
    return ManagedSecret(
        namespace=intern(meta["namespace"]),
        name=intern(meta["name"]),
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        deleting="deletionTimestamp" in meta,
        owner_annotation=_owner_annotation(annotations.get(owner)),
        owner_applied=owner in owned_annotations,
        issued_at=time_or_none(annotations.get(ANNOTATION_ISSUED_AT)),
        expires_at=time_or_none(annotations.get(ANNOTATION_EXPIRES_AT)),
        renew_at=time_or_none(annotations.get(ANNOTATION_RENEW_AT)),
        revision=_revision(annotations.get(ANNOTATION_REVISION)),
        fingerprint=_fingerprint(annotations.get(ANNOTATION_FINGERPRINT)),
        owner_uid=_reference_uid(meta, owned=owned_meta),
        owned_keys=_names(owned.get("f:data")),
        owned_labels=_names(owned_meta.get("f:labels")),
        owned_annotations=owned_annotations,
        **{field: text[:_ID_LIMIT] for field, name in _IDS if (text := annotations.get(name))},
        grant_id=_interned(annotations.get(ANNOTATION_GRANT_ID)),
        cluster_id=_interned(annotations.get(ANNOTATION_CLUSTER_ID)),
        entries=annotations.get(ANNOTATION_ENTRIES),
        warning=warning[:_WARNING_LIMIT],
        handled_requests=parse_requests(annotations.get(ANNOTATION_HANDLED_REQUEST)),
        watched=(meta.get("labels") or {}).get(WATCH_LABEL) == WATCH_LABEL_VALUE,
        others=_others(meta),
        **_previous(annotations.get(ANNOTATION_PREVIOUS_KEY)),
    )


def classify(grant: ApiKeyGrant, secret: ManagedSecret) -> Ownership:
    """Classify the Secret of the grant's name by its owner.

    The annotation decides, never a label. Another uid under the same name is the same grant after a
    restore from a backup, so that the restored Secret needs no new key. If the annotation was
    removed or edited by hand (it is no longer recorded for this field manager), the owner reference
    that Keywright wrote decides, so that the Secret is repaired.
    """
    if not secret.owner_applied and secret.owner_uid == grant.uid:
        return Ownership.OWNED
    owner = secret.owner_annotation
    if owner is None:
        return Ownership.UNOWNED
    if (owner.namespace, owner.name) == grant.object_key:
        return Ownership.OWNED
    return Ownership.OWNED_BY_OTHER


def trust_status_over_annotations(secret: ManagedSecret, *, status: GrantStatus) -> ManagedSecret:
    """The Secret with times and revision from the status, if that records the same key.

    Any client with write access to a Secret can edit its annotations, and a postponed expiry must
    not prevent the renewal of the key. If the status records another key, or none (the process
    ended between two writes, or the status was lost), only the annotations are available.
    """
    if not status.revision or status.fingerprint != secret.fingerprint:
        return secret
    return msgspec.structs.replace(
        secret,
        issued_at=status.issued_at,
        expires_at=status.expires_at,
        renew_at=status.renew_at,
        revision=status.revision,
        key_id=status.key_id if secret.key_id else None,
    )


def owned_fields(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """The managedFields entry of Keywright as `fieldsV1`: names prefixed with `f:`."""
    for entry in meta.get("managedFields") or ():
        if (
            entry.get("manager") == FIELD_MANAGER
            and entry.get("operation") == "Apply"
            and not entry.get("subresource")
        ):
            return _mapping(entry.get("fieldsV1"))
    return {}


def field_of(group: str, name: str) -> str:
    """The path of one entry of `data`, `metadata.labels` or `metadata.annotations`."""
    return f"{group}[{name}]"


def _others(meta: Mapping[str, Any]) -> tuple[tuple[str, frozenset[str]], ...]:
    """The fields of a Secret that other field managers own, by the paths of `field_of`; bounded."""
    entries = meta.get("managedFields") or ()
    if len(entries) < 2:
        return ()
    found: dict[str, frozenset[str]] = {}
    for entry in entries:
        manager = str(entry.get("manager") or "")[:_MANAGER_LIMIT]
        ours = manager == FIELD_MANAGER and entry.get("operation") == "Apply"
        if ours or len(found) >= _MAX_MANAGERS:
            continue
        fields = frozenset(islice(_paths(_mapping(entry.get("fieldsV1"))), _SHARED_LIMIT))
        if fields:
            found[intern(manager)] = found.get(manager, frozenset()) | fields
    return tuple(found.items())


def _paths(fields: Mapping[str, Any]) -> Iterator[str]:
    metadata = _mapping(fields.get("f:metadata"))
    groups = (
        ("data", fields.get("f:data")),
        ("metadata.labels", metadata.get("f:labels")),
        ("metadata.annotations", metadata.get("f:annotations")),
    )
    for group, owned in groups:
        for name in _mapping(owned):
            if name.startswith("f:"):
                yield intern(field_of(group, name[2:]))
    if "f:ownerReferences" in metadata:
        yield OWNER_REFERENCES


def _reference_uid(meta: Mapping[str, Any], *, owned: Mapping[str, Any]) -> str | None:
    """The grant that owns the Secret, if the reference is unchanged.

    fieldsV1 names an item of a list by its merge key, here `k:{"uid":"..."}`.
    """
    items = _mapping(owned.get("f:ownerReferences"))
    for reference in meta.get("ownerReferences") or ():
        uid = reference.get("uid")
        ours = reference.get("kind") == GRANT_KIND and reference.get("apiVersion") == API_VERSION
        if ours and f'k:{{"uid":"{uid}"}}' in items:
            return intern(str(uid))
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(fields: object) -> frozenset[str]:
    names = tuple(name[2:] for name in _mapping(fields) if name.startswith("f:"))
    # The sets of Keywright's layouts are small; long lists of others must not fill the cache.
    return _shared(names) if len(names) <= _SHARED_LIMIT else frozenset(names)


@lru_cache(maxsize=4096)
def _shared(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


def _owner_annotation(text: str | None) -> OwnerAnnotation | None:
    name, _, uid = (text or "").partition(" ")
    namespace, _, name = name.partition("/")
    if not namespace or not name:
        return None
    # Interned: the grant, which is in memory as well, has the same strings.
    return OwnerAnnotation(intern(namespace), intern(name), intern(uid))


def _previous(text: str | None) -> dict[str, str]:
    key_id, _, digest = (text or "").partition(" ")
    if not key_id or not _DIGEST.fullmatch(digest):
        return {}
    return {"previous_id": key_id[:_ID_LIMIT], "previous_hash": digest}


def _fingerprint(text: str | None) -> str | None:
    # A longer one was not written by Keywright, and would only use memory.
    return text if text is None or len(text) <= _FINGERPRINT_LIMIT else text[:_FINGERPRINT_LIMIT]


def _interned(text: str | None) -> str | None:
    # The cluster ID is the same for all Secrets, the grant ID is usually the uid of the grant.
    return intern(text[:_UID_LIMIT]) if text else None


def _revision(text: str | None) -> int:
    return int(text) if text and _REVISION.fullmatch(text) else 0
