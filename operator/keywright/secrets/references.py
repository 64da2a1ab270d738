"""Which values of a Secret may be copied out of it, decided from its metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keywright.api.names import ANNOTATION_GRANTED_BY, REFERENCE_LABEL
from keywright.secrets.ownership import managed_secret_from


def shareable_keys(metadata: Mapping[str, Any], keys: Iterable[str]) -> frozenset[str]:
    """The keys of a Secret's data whose values may be sent to a cloud or to another namespace.

    The label `keywright.dev/allow-reference: "true"` is the consent of whoever may write the
    Secret. A value that a grant of the same namespace wrote needs none: only what server-side apply
    records as ours counts, so that adopting a Secret does not release what was in it before.
    """
    if (metadata.get("labels") or {}).get(REFERENCE_LABEL) == "true":
        return frozenset(keys)
    secret = managed_secret_from(metadata)
    owner = secret.granted_by
    if (
        owner is None
        or owner.namespace != secret.namespace
        or ANNOTATION_GRANTED_BY not in secret.owned_annotations
    ):
        return frozenset()
    return frozenset(keys) & secret.owned_keys
