"""A light watch of the Secrets of some namespaces: names alone, for whoever reads a few of them.

It is no cache. What a Secret holds is read by whoever wants to know; this says when to look. So the
list that a watch begins with is asked for its resource version alone, one Secret long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from keywright.cluster.client import METADATA_LIST, KubernetesClient
from keywright.cluster.errors import ApiError, ApiUnreachableError
from keywright.cluster.following import follow

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0

Look = Callable[[str, str | None], Awaitable[None]]


class SecretWatch:
    """Calls `look(namespace, name)` whenever a Secret of a wanted namespace was touched.

    The name is None where anything may have been: at the start, and after a gap. What `look` raises
    of the API server's answers makes it begin again, after a pause.
    """

    def __init__(self, client: KubernetesClient, *, look: Look) -> None:
        self._client = client
        self._look = look
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def want(self, namespaces: frozenset[str]) -> None:
        """Watch these namespaces, and no others."""
        for namespace in self._tasks.keys() - namespaces:
            self._tasks.pop(namespace).cancel()
        for namespace in namespaces - self._tasks.keys():
            self._tasks[namespace] = asyncio.create_task(
                self._run(namespace), name=f"watch of Secrets in {namespace}"
            )

    async def close(self) -> None:
        """Watch nothing any more."""
        tasks = list(self._tasks.values())
        self.want(frozenset())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, namespace: str) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                version = await self._version(namespace)
                await self._look(namespace, None)
                pause = _FIRST_PAUSE_SECONDS
                path = f"/api/v1/namespaces/{namespace}/secrets"
                async for _, metadata in follow(self._client, path, version=version):
                    await self._look(namespace, metadata["name"])
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("Secrets of %s are not watched, tried again: %s", namespace, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _version(self, namespace: str) -> str:
        path = f"/api/v1/namespaces/{namespace}/secrets?limit=1"
        found = await self._client.request("GET", path, accept=METADATA_LIST)
        version: str = found["metadata"]["resourceVersion"]
        return version
