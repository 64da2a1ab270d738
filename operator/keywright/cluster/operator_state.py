"""The operator's own objects: cluster ID, fingerprint key, and the list of orphaned keys."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Mapping

from keywright.api.errors import ApiError
from keywright.cluster.client import MERGE, KubernetesClient

NAMESPACE = "kube-system"
_FORBIDDEN = 403
_LOG = logging.getLogger(__name__)


async def load_cluster_id(client: KubernetesClient) -> str:
    """The uid of the namespace kube-system; raises ApiError."""
    try:
        found = await client.request("GET", f"/api/v1/namespaces/{NAMESPACE}")
    except ApiError as error:
        if error.status == _FORBIDDEN:
            _LOG.error(
                "error: the id of the cluster cannot be read, and no grant is reconciled: apply the"
                " ClusterRole keywright-cluster-id of this version's manifests or chart"
            )
        raise
    uid: str = found["metadata"]["uid"]
    return uid


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


CONFIG_MAP = "keywright-orphans"


class OrphanList:
    """Reads and changes its data."""

    def __init__(self, client: KubernetesClient, *, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"

    async def read(self) -> dict[str, str]:
        """The entries by key; empty without the ConfigMap. Raises ApiError."""
        try:
            found = await self._client.request("GET", f"{self._collection}/{CONFIG_MAP}")
        except ApiError as error:
            if error.is_missing:
                return {}
            raise
        data: dict[str, str] = found.get("data") or {}
        return data

    async def change(self, data: Mapping[str, str | None]) -> None:
        """Set entries, and remove those that are None. Raises ApiError."""
        try:
            await self._client.request(
                "PATCH",
                f"{self._collection}/{CONFIG_MAP}",
                body={"data": dict(data)},
                content_type=MERGE,
            )
        except ApiError as error:
            if not error.is_missing:
                raise
            body = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": CONFIG_MAP, "namespace": self._namespace},
                "data": {name: text for name, text in data.items() if text is not None},
            }
            await self._client.request("POST", self._collection, body=body)
