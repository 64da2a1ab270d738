"""Watches of the Kubernetes API across reconnects, and the lightweight watch of Secrets.

The watch of Secrets has names only, for modules that read a few of them. It is not a cache. The
module that needs a Secret reads its content; this watch says when. So the list before the watch
only requests the resource version, with a limit of one Secret.

If the operator may watch all namespaces, one watch is enough. If it may only watch listed
namespaces, each wanted one has its own watch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.client import METADATA, METADATA_LIST, KubernetesClient
from keywright.cluster.tasks import PlainTasks, Tasks

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


_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 30.0
_EVERYWHERE = ""
# Namespaces that are handled concurrently.
_LOOKS = 16

Look = Callable[[str, str | None], Awaitable[None]]


def _every(_: str, __: str) -> bool:
    return True


class SecretWatch:
    """Calls `look(namespace, name)` whenever a Secret of a wanted namespace was changed.

    Only for names that are `wanted`. The name is None if any may have changed: at the start, and
    after a gap. Calls for a namespace are sequential, and block no other namespace; one that the
    API server refuses is retried after a pause.
    """

    def __init__(
        self,
        client: KubernetesClient,
        *,
        look: Look,
        wanted: Callable[[str, str], bool] = _every,
        everywhere: bool = False,
        tasks: Tasks | None = None,
    ) -> None:
        self._client = client
        self._look = look
        self._wanted = wanted
        self._everywhere = everywhere
        self._tasks = tasks or PlainTasks()
        self._scopes: frozenset[str] = frozenset()
        self._namespaces: frozenset[str] = frozenset()
        self._pending: dict[str, dict[str | None, None]] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_LOOKS)

    @property
    def scopes(self) -> frozenset[str]:
        """The watched namespaces, or "" for all of them."""
        return self._scopes

    def want(self, namespaces: frozenset[str]) -> None:
        """Watch these namespaces, and no others."""
        self._namespaces = namespaces
        scopes = frozenset({_EVERYWHERE}) if self._everywhere and namespaces else namespaces
        before, self._scopes = self._scopes, scopes
        for scope in before - scopes:
            self._tasks.cancel(_task_name(scope))
        for scope in scopes - before:
            self._tasks.start(_task_name(scope), partial(self._run, scope), kind="watch of Secrets")
        for namespace in self._looking.keys() - namespaces:
            self._pending.pop(namespace, None)
            self._looking.pop(namespace).cancel()

    async def close(self) -> None:
        """Stop all watches."""
        scopes, looking = self._scopes, list(self._looking.values())
        for scope in scopes:
            await self._tasks.stop(_task_name(scope))
        self.want(frozenset())
        await asyncio.gather(*looking, return_exceptions=True)

    async def _run(self, scope: str) -> None:
        pause = _FIRST_PAUSE_SECONDS
        path = f"/api/v1/namespaces/{scope}/secrets" if scope else "/api/v1/secrets"
        while True:
            try:
                version = await self._version(path)
                for namespace in [scope] if scope else self._namespaces:
                    self.look_soon(namespace, None)
                pause = _FIRST_PAUSE_SECONDS
                async for _, metadata in watch_events(self._client, path, version=version):
                    self._touched(scope or metadata["namespace"], metadata["name"])
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning(
                    "the watch of Secrets in %s failed, retrying in %.1f s: %s",
                    scope or "all namespaces",
                    pause,
                    error,
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    async def _version(self, path: str) -> str:
        found = await self._client.request("GET", f"{path}?limit=1", accept=METADATA_LIST)
        version: str = found["metadata"]["resourceVersion"]
        return version

    def _touched(self, namespace: str, name: str) -> None:
        if namespace in self._namespaces and self._wanted(namespace, name):
            self.look_soon(namespace, name)

    def look_soon(self, namespace: str, name: str | None) -> None:
        """Schedule a call for a Secret of a wanted namespace; once for any number of changes."""
        self._pending.setdefault(namespace, {})[name] = None
        if namespace not in self._looking:
            task = asyncio.create_task(
                self._look_at(namespace), name=f"look at Secrets in {namespace}"
            )
            self._looking[namespace] = task

    async def _look_at(self, namespace: str) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while pending := self._pending.get(namespace):
            name = next(iter(pending))
            del pending[name]
            try:
                async with self._turns:
                    await self._look(namespace, name)
            except Exception as error:
                # Any exception: a change that is missed leaves clients with an invalid key.
                _LOG.warning(
                    "reading Secrets of %s failed, retrying in %.1f s: %s",
                    namespace,
                    pause,
                    error,
                    exc_info=not isinstance(error, (ApiError, ApiUnreachableError)),
                )
                pending[name] = None
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_SECONDS)
            else:
                pause = _FIRST_PAUSE_SECONDS
        self._pending.pop(namespace, None)
        self._looking.pop(namespace, None)


def _task_name(scope: str) -> str:
    return f"watch of Secrets in {scope or 'all namespaces'}"
