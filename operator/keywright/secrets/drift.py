"""Detect changes by other managers to what was written to a Secret, without reading any value."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from keywright.api.grant import ApiKeyGrant
from keywright.api.names import (
    ANNOTATION_CLUSTER_ID,
    ANNOTATION_ENTRIES,
    ANNOTATION_EXPIRES_AT,
    ANNOTATION_FINGERPRINT,
    ANNOTATION_ISSUED_AT,
    ANNOTATION_KEY_ID,
    ANNOTATION_OWNER,
    ANNOTATION_PREVIOUS_KEY,
    ANNOTATION_RENEW_AT,
    ANNOTATION_REVISION,
    MANAGED_BY_LABEL,
    WATCH_LABEL,
)
from keywright.api.source import CredentialSource
from keywright.secrets.ownership import OWNER_REFERENCES, ManagedSecret, field_of
from keywright.secrets.previous import uses_previous

_REQUIRED: Final = frozenset({ANNOTATION_ISSUED_AT, ANNOTATION_REVISION, ANNOTATION_FINGERPRINT})
_REQUIRED_WITH_EXPIRY: Final = frozenset({ANNOTATION_EXPIRES_AT, ANNOTATION_RENEW_AT})
_REQUIRED_IF_MANAGED: Final = frozenset({ANNOTATION_KEY_ID})
_REQUIRED_WITH_PREVIOUS: Final = frozenset({ANNOTATION_PREVIOUS_KEY})
_MAX_FIELDS: Final = 16


def altered_fields(
    secret: ManagedSecret,
    expected_keys: frozenset[str],
    *,
    grant: ApiKeyGrant,
    source: CredentialSource | None,
) -> tuple[str, ...]:
    """Return the fields that are no longer as applied, at most sixteen; see `field_of`.

    Server-side apply tracks this exactly: when another manager changes the value of a field by an
    update or a forced apply, "the field is transferred" to it and removed from this manager's entry
    in `managedFields`, and a deleted field is removed from every entry
    (kubernetes.io/docs/reference/ using-api/server-side-apply, "Field management"). So every field
    in the entry has the applied value. A key in the entry that the layout no longer has counts as
    well, since it must be removed.

    Changes of the spec are not detected here: a changed value of a label is a new generation of the
    grant, which triggers a write of its own.

    The kind determines whether the Secret must record an expiry, except for credentials that are
    copied unchanged: those have one if the status, or otherwise the Secret, says so.
    """
    return tuple(islice(_altered(secret, expected_keys, grant=grant, source=source), _MAX_FIELDS))


def _altered(
    secret: ManagedSecret,
    expected_keys: frozenset[str],
    *,
    grant: ApiKeyGrant,
    source: CredentialSource | None,
) -> Iterator[str]:
    wanted = grant.spec.secret
    labels = wanted.labels.keys() | {MANAGED_BY_LABEL, WATCH_LABEL}
    annotations = wanted.annotations.keys() | _required_annotations(
        secret, grant=grant, source=source
    )
    if grant.is_bulk_import:
        if not _all_entries(secret):
            yield "data"
    elif secret.owned_keys != expected_keys:
        yield from _named("data", expected_keys ^ secret.owned_keys)
    if not labels <= secret.owned_labels:
        yield from _named("metadata.labels", labels - secret.owned_labels)
    if not annotations <= secret.owned_annotations:
        yield from _named("metadata.annotations", annotations - secret.owned_annotations)
    if secret.owner_uid != grant.uid:
        yield OWNER_REFERENCES
    if not _is_of_this_cluster(secret, grant):
        yield field_of("metadata.annotations", ANNOTATION_CLUSTER_ID)


def managers_of(secret: ManagedSecret, fields: Iterable[str]) -> tuple[str, ...]:
    """The other field managers that now own one of these fields."""
    wanted = frozenset(fields)
    return tuple(manager for manager, owned in secret.others if not wanted.isdisjoint(owned))


def _named(group: str, names: Iterable[str]) -> Iterator[str]:
    return (field_of(group, name) for name in sorted(names))


def _is_of_this_cluster(secret: ManagedSecret, grant: ApiKeyGrant) -> bool:
    """False once the keys were taken over from the cluster that the Secret names."""
    identity = grant.known_as
    return not identity.recorded or secret.cluster_id in (None, identity.cluster_id)


def _all_entries(secret: ManagedSecret) -> bool:
    """Whether the entries of a bulk import are unchanged, by the digest of their names.

    The grant does not specify their names, and they must not depend on memory.
    """
    recorded = ANNOTATION_ENTRIES in secret.owned_annotations
    return recorded and secret.entries == names_digest(secret.owned_keys)


def names_digest(names: Iterable[str]) -> str:
    """A digest of a set of names, independent of their order."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]


def _required_annotations(
    secret: ManagedSecret, *, grant: ApiKeyGrant, source: CredentialSource | None
) -> frozenset[str]:
    """The annotations of the operator that a Secret of the grant must have.

    The owner under its legacy name counts, as long as its value is the applied one: the next write
    renames it.
    """
    expires = grant.expires
    if source is not None and not source.credentials_end:
        expires = secret.expires_at is not None
    required = _REQUIRED if secret.owner_applied else _REQUIRED | {ANNOTATION_OWNER}
    if grant.managed is not None:
        required |= _REQUIRED_IF_MANAGED
    if uses_previous(grant):
        required |= _REQUIRED_WITH_PREVIOUS
    return required | _REQUIRED_WITH_EXPIRY if expires else required
