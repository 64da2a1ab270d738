"""The events of a collection, across reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from keywright.api.errors import ApiUnreachableError
from keywright.cluster.client import METADATA, KubernetesClient

_WATCH_SECONDS = 300
# A watch that ends earlier, without an event, is retried only after a pause.
_MIN_SECONDS = 1.0


async def watch_events(
    client: KubernetesClient, path: str, *, version: str, query: str = ""
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Return type and metadata of each event after that version; ends at a gap.

    Raises:
        ApiError: the watch was refused.
        ApiUnreachableError: there was no response, or one that ended immediately.
    """
    loop = asyncio.get_running_loop()
    while True:
        began, before = loop.time(), version
        url = (
            f"{path}?watch=true&allowWatchBookmarks=true"
            f"&timeoutSeconds={_WATCH_SECONDS}&resourceVersion={version}{query}"
        )
        async for event in client.watch(url, accept=METADATA, seconds=_WATCH_SECONDS + 30):
            if event["type"] == "ERROR":
                # 410: the version is too old to continue from.
                return
            metadata = event["object"]["metadata"]
            version = metadata["resourceVersion"]
            if event["type"] != "BOOKMARK":
                yield event["type"], metadata
        if version == before and loop.time() - began < _MIN_SECONDS:
            raise ApiUnreachableError(f"GET {url}: ended at once")
