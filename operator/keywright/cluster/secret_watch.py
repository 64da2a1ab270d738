"""A light watch of the Secrets of some namespaces: names alone, for whoever reads a few of them.

It is no cache. What a Secret holds is read by whoever wants to know; this says when to look. So the
list that a watch begins with is asked for its resource version alone, one Secret long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from keywright.cluster.client import METADATA, METADATA_LIST, KubernetesClient
from keywright.cluster.errors import ApiError, ApiUnreachableError

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 300
# A watch that ends sooner, and told nothing, is not begun again without a pause.
_SHORTEST_SECONDS = 1.0
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
                await self._follow(namespace, version)
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("Secrets of %s are not watched, tried again: %s", namespace, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _version(self, namespace: str) -> str:
        path = f"/api/v1/namespaces/{namespace}/secrets?limit=1"
        found = await self._client.request("GET", path, accept=METADATA_LIST)
        version: str = found["metadata"]["resourceVersion"]
        return version

    async def _follow(self, namespace: str, version: str) -> None:
        """Watch from that version on, over as many connections as it takes; ends at a gap."""
        loop = asyncio.get_running_loop()
        while True:
            began, before = loop.time(), version
            path = (
                f"/api/v1/namespaces/{namespace}/secrets?watch=true&allowWatchBookmarks=true"
                f"&timeoutSeconds={_WATCH_SECONDS}&resourceVersion={version}"
            )
            async for event in self._client.watch(
                path, accept=METADATA, seconds=_WATCH_SECONDS + 30
            ):
                if event["type"] == "ERROR":
                    # 410: the version is too old to go on from.
                    return
                metadata = event["object"]["metadata"]
                version = metadata["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    await self._look(namespace, metadata["name"])
            if version == before and loop.time() - began < _SHORTEST_SECONDS:
                raise ApiUnreachableError(f"GET {path}: ended at once")
