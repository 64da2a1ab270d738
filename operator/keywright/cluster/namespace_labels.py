"""The labels of namespaces, watched as metadata and only while they are needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.client import METADATA_LIST, KubernetesClient
from keywright.cluster.tasks import PlainTasks, Tasks
from keywright.cluster.watch import watch_events

_LOG = logging.getLogger(__name__)
_PATH = "/api/v1/namespaces"
_FORBIDDEN = 403
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 30.0

Labels = Mapping[str, str]


class NamespaceLabels:
    """Calls `changed` with the namespaces whose labels have changed.

    For all namespaces, or only for `namespaces`: each is then watched by its name, which RBAC can
    allow by `resourceNames`.
    """

    def __init__(
        self,
        client: KubernetesClient,
        *,
        namespaces: tuple[str, ...],
        changed: Callable[[frozenset[str]], None],
        tasks: Tasks | None = None,
    ) -> None:
        self._client = client
        self._tasks = tasks or PlainTasks()
        self._scopes = namespaces
        self._changed = changed
        self._known: dict[str, Labels] = {}
        self._listed: set[str] = set()
        self._running: dict[str, str] = {}

    def enable(self, *, wanted: bool) -> None:
        """Start or stop watching."""
        if wanted and not self._running:
            for scope in self._scopes or ("",):
                name = self._running[scope] = f"watch of namespace {scope or '*'}"
                self._tasks.start(name, partial(self._run, scope), kind="watch of namespaces")
        elif not wanted:
            for name in self._running.values():
                self._tasks.cancel(name)
            self._running.clear()
            self._known.clear()
            self._listed.clear()

    async def close(self) -> None:
        """Stop all watches."""
        for name in self._running.values():
            await self._tasks.stop(name)
        self.enable(wanted=False)

    def known(self, namespace: str) -> Labels | None:
        """The labels if they are cached; None if they were not read yet."""
        return self._known.get(namespace)

    async def labels(self, namespace: str) -> Labels:
        """The labels of a namespace, empty if it is deleted; read if they are not watched.

        Raises:
            ApiError: the labels may not be read.
            ApiUnreachableError: there was no response.
        """
        if not self._listed & {"", namespace}:
            _, found = await self._list(namespace)
            if not self._listed & {"", namespace}:
                self._known[namespace] = found.get(namespace, {})
        return self._known.get(namespace, {})

    async def _run(self, scope: str) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                version, found = await self._list(scope)
                self._replace(scope, found)
                pause = _FIRST_PAUSE_SECONDS
                async for type_, metadata in watch_events(
                    self._client, _PATH, version=version, query=_only(scope)
                ):
                    gone = type_ == "DELETED"
                    self._update(metadata["name"], {} if gone else _labels(metadata))
            except (ApiError, ApiUnreachableError) as error:
                if isinstance(error, ApiError) and error.status == _FORBIDDEN:
                    self._forget(scope)
                _LOG.warning("the watch of namespaces failed, retrying in %.1f s: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    async def _list(self, scope: str) -> tuple[str, dict[str, Labels]]:
        answer = await self._client.request(
            "GET", f"{_PATH}?limit=0{_only(scope)}", accept=METADATA_LIST
        )
        items = [item["metadata"] for item in answer["items"] or ()]
        return answer["metadata"]["resourceVersion"], {m["name"]: _labels(m) for m in items}

    def _replace(self, scope: str, found: Mapping[str, Labels]) -> None:
        """Replace all labels of a scope; known namespaces that are missing were deleted."""
        of_scope = {name for name in self._known if scope in ("", name)}
        now = {name: found.get(name, {}) for name in of_scope | found.keys()}
        others = frozenset(name for name, labels in now.items() if self._known.get(name) != labels)
        self._known |= now
        self._listed.add(scope)
        if others:
            self._changed(others)

    def _forget(self, scope: str) -> None:
        """Drop labels that may no longer be read: they may have changed since."""
        names = frozenset(name for name in self._known if scope in ("", name))
        for name in names:
            del self._known[name]
        self._listed.discard(scope)
        if names:
            self._changed(names)

    def _update(self, name: str, labels: Labels) -> None:
        if self._known.get(name) != labels:
            self._known[name] = labels
            self._changed(frozenset({name}))


def _only(scope: str) -> str:
    return f"&fieldSelector=metadata.name%3D{scope}" if scope else ""


def _labels(metadata: Mapping[str, Any]) -> Labels:
    return metadata.get("labels") or {}
