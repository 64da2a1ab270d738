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
# Of whole objects, which may have a megabyte each.
_WHOLE_PAGE = 50
# The store counts from 1, and its first write makes version 2.
_NEVER_A_RESOURCE_VERSION = "1"


@dataclass(frozen=True, slots=True, repr=False)
class SecretContent:
    """A Secret as it was read once; it has no repr, since `data` holds its values."""

    metadata: dict[str, Any]
    data: dict[str, str]
    # Entries that are no UTF-8 text, which are not in `data`.
    not_text: frozenset[str] = frozenset()


class ResourceClient:
    """Our resources and Secrets, in all namespaces or, by `namespaces`, in those alone."""

    def __init__(self, client: KubernetesClient, *, namespaces: tuple[str, ...] = ()) -> None:
        self._client = client
        self._scopes = [f"/namespaces/{name}" for name in namespaces] or [""]

    async def served(self) -> frozenset[str]:
        """The plurals of our kinds that the API server has now: none without the CRDs."""
        found = await self._get(_CUSTOM)
        resources = [] if found is None else found["resources"]
        return frozenset(resource["name"] for resource in resources)

    async def custom(self, plural: str) -> AsyncIterator[dict[str, Any]]:
        """Every object of one of our kinds."""
        for scope in self._scopes:
            path = f"{_CUSTOM}{scope}/{plural}"
            async for item in self._client.items(path, accept=JSON, page=_WHOLE_PAGE):
                yield item

    async def uids(self, plural: str) -> set[str]:
        """The uids of every object of one of our kinds."""
        found: set[str] = set()
        for scope in self._scopes:
            found |= {uid async for uid in self._client.uids(f"{_CUSTOM}{scope}/{plural}")}
        return found

    async def managed_secrets(self) -> AsyncIterator[dict[str, Any]]:
        """The metadata of every Secret that carries our label, those without the watch label first.

        In this order none is missed that gets the watch label meanwhile.
        """
        for selector in (UNWATCHED_SELECTOR, SECRET_SELECTOR):
            for scope in self._scopes:
                async for item in self._client.items(f"/api/v1{scope}/secrets", selector=selector):
                    yield item["metadata"]

    async def managed_secret_uids(self) -> set[str]:
        """The uids of every Secret that the watch shows."""
        found: set[str] = set()
        for scope in self._scopes:
            path = f"/api/v1{scope}/secrets"
            found |= {uid async for uid in self._client.uids(path, selector=SECRET_SELECTOR)}
        return found

    async def object(self, plural: str, *, namespace: str, name: str) -> dict[str, Any] | None:
        """One of our resources, None where it is gone."""
        return await self._get(f"{_CUSTOM}/namespaces/{namespace}/{plural}/{name}")

    async def secret_metadata(self, *, namespace: str, name: str) -> dict[str, Any] | None:
        """The metadata of any Secret, None where there is none."""
        found = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}", accept=METADATA)
        return None if found is None else found["metadata"]

    async def whole_secret(self, *, namespace: str, name: str) -> dict[str, Any] | None:
        """A Secret as the API server sends it, with its values; None where there is none."""
        return await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")

    async def secret(self, *, namespace: str, name: str) -> SecretContent | None:
        """Metadata and decoded data of a Secret; entries that are no UTF-8 text are left out."""
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
        """The decoded data of a Secret; entries that are no UTF-8 text are left out."""
        found = await self.secret(namespace=namespace, name=name)
        return None if found is None else found.data

    async def apply_secret(
        self, manifest: Mapping[str, Any], *, must_not_exist: bool
    ) -> dict[str, Any]:
        """Server-side apply; returns the new metadata (the answer carries no value).

        `must_not_exist` refuses to touch a Secret that exists, without a read before: a resource
        version that no object can have is checked against an object that exists, and ignored where
        there is none (docs/decisions/0003).

        Raises:
            SecretExistsError: there is one already, and it was to be new.
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
        """A merge patch of a Secret; returns the new metadata (the answer carries no value)."""
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
        """Merge into the status of an object that is still at that version; returns the new one.

        Raises:
            ApiError: `is_conflict` where the object has changed, `is_missing` where it is gone.
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
        """The finalizers of an object that is still at that version; returns the object.

        Raises:
            ApiError: `is_conflict` where the object has changed, `is_missing` where it is gone.
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
