"""The ConfigMap in the operator's namespace that lists keys left in a cloud."""

from __future__ import annotations

from collections.abc import Mapping

from keywright.api.errors import ApiError
from keywright.cluster.client import MERGE, KubernetesClient

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
