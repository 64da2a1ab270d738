"""The reads and writes of the reconcilers: Secrets by server-side apply, status by merge patch."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from keywright.api.errors import ApiError, SecretExistsError
from keywright.api.names import (
    FIELD_MANAGER,
    GROUP,
    SECRET_SELECTOR,
    UNWATCHED_SELECTOR,
    VERSION,
)
from keywright.cluster.client import APPLY, JSON, MERGE, METADATA, KubernetesClient

_CUSTOM = f"/apis/{GROUP}/{VERSION}"
# For whole objects, which may have a megabyte each.
_WHOLE_PAGE = 50
# etcd counts from 1, and its first write creates version 2.
_NEVER_A_RESOURCE_VERSION = "1"


@dataclass(frozen=True, slots=True, repr=False)
class SecretContent:
    """A Secret that was read once; it has no repr, since `data` contains its values."""

    metadata: dict[str, Any]
    data: dict[str, str]
    # Entries that are not UTF-8 text, which `data` does not contain.
    not_text: frozenset[str] = frozenset()


class ResourceClient:
    """Keywright's resources and Secrets, in all namespaces or only in `namespaces`."""

    def __init__(self, client: KubernetesClient, *, namespaces: tuple[str, ...] = ()) -> None:
        self._client = client
        self._scopes = [f"/namespaces/{name}" for name in namespaces] or [""]

    async def served(self) -> frozenset[str]:
        """The plurals of Keywright's resources that are served now; empty without the CRDs."""
        found = await self._get(_CUSTOM)
        resources = [] if found is None else found["resources"]
        return frozenset(resource["name"] for resource in resources)

    async def custom(self, plural: str) -> AsyncIterator[dict[str, Any]]:
        """Return every object of one of Keywright's resources."""
        for scope in self._scopes:
            path = f"{_CUSTOM}{scope}/{plural}"
            async for item in self._client.items(path, accept=JSON, page=_WHOLE_PAGE):
                yield item

    async def uids(self, plural: str) -> set[str]:
        """The uids of every object of one of Keywright's resources."""
        found: set[str] = set()
        for scope in self._scopes:
            found |= {uid async for uid in self._client.uids(f"{_CUSTOM}{scope}/{plural}")}
        return found

    async def managed_secrets(self) -> AsyncIterator[dict[str, Any]]:
        """The metadata of every Secret with a Keywright label, those without the watch label first.

        In this order, one that gets the watch label meanwhile is not missed.
        """
        for selector in (UNWATCHED_SELECTOR, SECRET_SELECTOR):
            for scope in self._scopes:
                async for item in self._client.items(f"/api/v1{scope}/secrets", selector=selector):
                    yield item["metadata"]

    async def managed_secret_uids(self) -> set[str]:
        """The uids of every Secret that the watch selects."""
        found: set[str] = set()
        for scope in self._scopes:
            path = f"/api/v1{scope}/secrets"
            found |= {uid async for uid in self._client.uids(path, selector=SECRET_SELECTOR)}
        return found

    async def object(self, plural: str, *, namespace: str, name: str) -> dict[str, Any] | None:
        """Read one of Keywright's resources, None if it is deleted."""
        return await self._get(f"{_CUSTOM}/namespaces/{namespace}/{plural}/{name}")

    async def secret_metadata(self, *, namespace: str, name: str) -> dict[str, Any] | None:
        """Read the metadata of any Secret, None if it does not exist."""
        found = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}", accept=METADATA)
        return None if found is None else found["metadata"]

    async def whole_secret(self, *, namespace: str, name: str) -> dict[str, Any] | None:
        """Read a Secret with its values, None if it does not exist."""
        return await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")

    async def secret(self, *, namespace: str, name: str) -> SecretContent | None:
        """Read metadata and decoded data of a Secret, without entries that are not UTF-8 text."""
        found = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            return None
        data, not_text = {}, set()
        for key, value in (found.get("data") or {}).items():
            try:
                data[key] = base64.b64decode(value).decode()
            except UnicodeDecodeError:
                not_text.add(key)
        return SecretContent(found["metadata"], data, frozenset(not_text))

    async def secret_data(self, *, namespace: str, name: str) -> dict[str, str] | None:
        """Read the decoded data of a Secret, without entries that are not UTF-8 text."""
        found = await self.secret(namespace=namespace, name=name)
        return None if found is None else found.data

    async def apply_secret(
        self, manifest: Mapping[str, Any], *, must_not_exist: bool
    ) -> dict[str, Any]:
        """Apply a Secret server-side; returns the new metadata (the response has no values).

        `must_not_exist` refuses to change an existing Secret, without a read before: a resource
        version that no object can have is checked against an existing object, and ignored if there
        is none (docs/decisions/0003).

        Raises:
            SecretExistsError: the Secret exists, and was to be created.
        """
        metadata = manifest["metadata"]
        if must_not_exist:
            manifest = {
                **manifest,
                "metadata": {**metadata, "resourceVersion": _NEVER_A_RESOURCE_VERSION},
            }
        try:
            return await self._apply(manifest, metadata)
        except ApiError as error:
            if must_not_exist and error.is_conflict:
                raise SecretExistsError from error
            raise

    async def _apply(
        self, manifest: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> dict[str, Any]:
        answer = await self._client.request(
            "PATCH",
            f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
            f"?fieldManager={FIELD_MANAGER}&force=true",
            body=manifest,
            content_type=APPLY,
            accept=METADATA,
        )
        found: dict[str, Any] = answer["metadata"]
        return found

    async def patch_secret(
        self, patch: Mapping[str, Any], *, namespace: str, name: str
    ) -> dict[str, Any]:
        """Merge-patch a Secret; returns the new metadata (the response has no values)."""
        answer = await self._client.request(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/secrets/{name}?fieldManager={FIELD_MANAGER}",
            body=patch,
            content_type=MERGE,
            accept=METADATA,
        )
        found: dict[str, Any] = answer["metadata"]
        return found

    async def patch_status(
        self,
        plural: str,
        *,
        namespace: str,
        name: str,
        resource_version: str,
        status: Mapping[str, Any],
    ) -> str:
        """Merge into the status of an object that still has that version; returns the new version.

        Raises:
            ApiError: `is_conflict` if the object has changed, `is_missing` if it is deleted.
        """
        answer = await self._client.request(
            "PATCH",
            f"{_CUSTOM}/namespaces/{namespace}/{plural}/{name}/status?fieldManager={FIELD_MANAGER}",
            body={"metadata": {"resourceVersion": resource_version}, "status": status},
            content_type=MERGE,
            accept=METADATA,
        )
        version: str = answer["metadata"]["resourceVersion"]
        return version

    async def set_finalizers(
        self,
        plural: str,
        *,
        namespace: str,
        name: str,
        resource_version: str,
        finalizers: tuple[str, ...],
    ) -> dict[str, Any]:
        """Set the finalizers of an object that still has that version; returns the object.

        Raises:
            ApiError: `is_conflict` if the object has changed, `is_missing` if it is deleted.
        """
        metadata = {"resourceVersion": resource_version, "finalizers": list(finalizers)}
        answer: dict[str, Any] = await self._client.request(
            "PATCH",
            f"{_CUSTOM}/namespaces/{namespace}/{plural}/{name}?fieldManager={FIELD_MANAGER}",
            body={"metadata": metadata},
            content_type=MERGE,
        )
        return answer

    async def _get(self, path: str, *, accept: str = JSON) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._client.request("GET", path, accept=accept)
        except ApiError as error:
            if error.is_missing:
                return None
            raise
        return found
