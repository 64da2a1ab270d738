"""The operator's own secret that keys the fingerprints: created once, stored in its namespace."""

from __future__ import annotations

import base64
import secrets

from keywright.api.errors import ApiError
from keywright.cluster.client import KubernetesClient

SECRET_NAME = "keywright-fingerprint-key"  # noqa: S105  the name of a Secret
_ENTRY = "key"
_BYTES = 32


async def load_fingerprint_key(client: KubernetesClient, *, namespace: str) -> bytes:
    """Load the key; if there is none, create one, whichever replica is first."""
    collection = f"/api/v1/namespaces/{namespace}/secrets"
    for _ in range(2):
        try:
            found = await client.request("GET", f"{collection}/{SECRET_NAME}")
            return base64.b64decode(found["data"][_ENTRY])
        except ApiError as error:
            if not error.is_missing:
                raise
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET_NAME, "namespace": namespace},
            "immutable": True,
            "data": {_ENTRY: base64.b64encode(secrets.token_bytes(_BYTES)).decode()},
        }
        try:
            await client.request("POST", collection, body=body)
        except ApiError as error:
            if not error.is_conflict:
                raise
    found = await client.request("GET", f"{collection}/{SECRET_NAME}")
    return base64.b64decode(found["data"][_ENTRY])
