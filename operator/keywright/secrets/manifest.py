"""The body of the server-side apply that writes all Keywright fields of a Secret in one request."""

from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keywright.api.grant import ApiKeyGrant, format_requests
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
    GRANT_KIND,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    WATCH_LABEL,
    WATCH_LABEL_VALUE,
)
from keywright.api.times import format_time
from keywright.secrets.drift import names_digest
from keywright.secrets.proofs import IdentityRecord


@dataclass(frozen=True, slots=True)
class ManagedKeyId:
    """The ID of a managed key, and the proof that it was created for the grant."""

    key_id: str
    proof: str | None


def manifest(
    grant: ApiKeyGrant,
    *,
    data: Mapping[str, str],
    issued_at: datetime,
    expires_at: datetime | None,
    renew_at: datetime | None,
    revision: int,
    fingerprint: str,
    key_id: ManagedKeyId | None = None,
    replaces: ManagedKeyId | None = None,
    identity: IdentityRecord | None = None,
    warning: str = "",
    handled_requests: Iterable[str] = (),
    previous: str | None = None,
) -> dict[str, Any]:
    """The Secret as the operator applies it; other fields belong to other managers and stay.

    `key_id` is the ID of a managed key, `replaces` that of its predecessor: a lost status is
    restored from them. `identity`: the IDs in the key's tags in the cloud. `warning`: a warning for
    clients of a bulk import. `handled_requests`: the renewal requests that were handled before,
    newest first. `previous`: the annotation of the previous value; None if the layout has none.
    """
    annotations = _annotations(
        grant, issued_at=issued_at, expires_at=expires_at, renew_at=renew_at, revision=revision
    )
    annotations[ANNOTATION_FINGERPRINT] = fingerprint
    if requests := format_requests(grant.renewal_request, handled_requests):
        annotations[ANNOTATION_HANDLED_REQUEST] = requests
    annotations |= _key_ids(key_id, replaces) | _identity(identity)
    if previous is not None:
        annotations[ANNOTATION_PREVIOUS_KEY] = previous
    if grant.is_bulk_import:
        annotations[ANNOTATION_ENTRIES] = names_digest(data)
        if warning:
            annotations[ANNOTATION_WARNING] = warning
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": grant.secret_name,
            "namespace": grant.namespace,
            "labels": {
                **grant.spec.secret.labels,
                MANAGED_BY_LABEL: MANAGED_BY,
                WATCH_LABEL: WATCH_LABEL_VALUE,
            },
            "annotations": annotations,
            "ownerReferences": [_owner_reference(grant)],
        },
        "type": grant.secret_type,
        "data": {
            key: b2a_base64(text.encode(), newline=False).decode() for key, text in data.items()
        },
    }


def _owner_reference(grant: ApiKeyGrant) -> dict[str, Any]:
    """The grant owns the Secret, so that it is deleted with the grant.

    It does not block the deletion of the grant: that would need a permission on the grant's
    finalizers.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": GRANT_KIND,
        "name": grant.name,
        "uid": grant.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def _annotations(
    grant: ApiKeyGrant,
    *,
    issued_at: datetime,
    expires_at: datetime | None,
    renew_at: datetime | None,
    revision: int,
) -> dict[str, str]:
    """The annotations of the spec, and those for owner, times and revision of the key."""
    annotations = {
        **grant.spec.secret.annotations,
        ANNOTATION_OWNER: f"{grant.namespace}/{grant.name} {grant.uid}",
        ANNOTATION_ISSUED_AT: format_time(issued_at),
        ANNOTATION_REVISION: str(revision),
    }
    if expires_at is not None:
        annotations[ANNOTATION_EXPIRES_AT] = format_time(expires_at)
    if renew_at is not None:
        annotations[ANNOTATION_RENEW_AT] = format_time(renew_at)
    return annotations


def _key_ids(key_id: ManagedKeyId | None, replaces: ManagedKeyId | None) -> dict[str, str]:
    """The managed key in the Secret and its predecessor, with their proofs."""
    annotations: dict[str, str] = {}
    for key, id_name, proof_name in (
        (key_id, ANNOTATION_KEY_ID, ANNOTATION_KEY_PROOF),
        (replaces, ANNOTATION_REPLACES, ANNOTATION_REPLACES_PROOF),
    ):
        if key is not None:
            annotations[id_name] = key.key_id
            if key.proof is not None:
                annotations[proof_name] = key.proof
    return annotations


def _identity(identity: IdentityRecord | None) -> dict[str, str]:
    if identity is None:
        return {}
    return {
        ANNOTATION_GRANT_ID: identity.grant_id,
        ANNOTATION_CLUSTER_ID: identity.cluster_id,
        ANNOTATION_GRANT_PROOF: identity.proof,
    }
