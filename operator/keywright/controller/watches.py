"""kopf as the source of events: lists, watches, resumption and signals, without its state.

Handlers have no logic: they pass the object on. What kopf would store or write by itself
(annotations of progress and of the last handled state, memories, Events) is disabled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

# Private, and pinned by the lock: kopf takes the object by its public parameter `memories`.
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from keywright.api.names import (
    GRANT_PLURAL,
    GROUP,
    SECRET_SELECTOR,
    SOURCE_PLURAL,
    VERSION,
)
from keywright.cluster.api_requests import ApiRequestObserver
from keywright.cluster.connection import Connection
from keywright.controller.event_handlers import EventHandlers

# Not a finalizer of any object: kopf would remove its own finalizer wherever it finds it.
_UNUSED_FINALIZER = f"unused.{GROUP}/none"
_WATCH_CONNECTIONS = 16
# kopf waits five seconds for what it has started.
_ENDING_SECONDS = 8.0


def build_registry(
    event_handlers: EventHandlers,
    connection: Connection,
    *,
    stop: Callable[[], Awaitable[None]],
    observe: ApiRequestObserver | None = None,
) -> kopf.OperatorRegistry:
    """The handlers, one line each; `stop` ends the work as soon as a signal arrives.

    `observe` is called after each of kopf's requests.
    """
    registry = kopf.OperatorRegistry()

    # Before kopf waits, five seconds, for tasks that it considers its own.
    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await stop()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(
            server=connection.server,
            aiohttp_session=connection.watch_session(
                connections=_WATCH_CONNECTIONS, observe=observe
            ),
        )

    # Two of three events are echoes of own writes: filtered out before kopf calls anything.
    def is_news(event: Any, **_: Any) -> bool:
        return event["type"] == "DELETED" or event_handlers.is_news(event["object"]["metadata"])

    @kopf.on.event(GROUP, VERSION, GRANT_PLURAL, registry=registry, when=is_news)
    async def grant(event: Any, **_: Any) -> None:
        event_handlers.grant(event["object"], deleted=event["type"] == "DELETED")

    @kopf.on.event(GROUP, VERSION, SOURCE_PLURAL, registry=registry)
    async def source(event: Any, **_: Any) -> None:
        event_handlers.source(event["object"], deleted=event["type"] == "DELETED")

    @kopf.on.event("v1", "secrets", registry=registry, when=is_news)
    async def secret(event: Any, **_: Any) -> None:
        event_handlers.secret(event["object"]["metadata"], deleted=event["type"] == "DELETED")

    return registry


def build_settings() -> kopf.OperatorSettings:
    """Settings based on measurements; docs/performance.md has the figures."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.posting.loggers = False
    # Idle workers of kopf keep their slot, so that a limit would limit the rate of events; the
    # operator's own workers bound the concurrency.
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 0.05
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 360
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = 70
    settings.watching.label_selectors["v1", "secrets"] = SECRET_SELECTOR
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.scanning.disabled = True
    settings.persistence.finalizer = _UNUSED_FINALIZER
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    return settings


async def watch(
    registry: kopf.OperatorRegistry,
    *,
    namespaces: tuple[str, ...],
    stopped: asyncio.Event,
    install_signal_handlers: Callable[[], None],
) -> None:
    """Watch until it is `stopped`; raises if a watch is permanently broken.

    kopf handles the signals while it works, and a signal after its end would be lost: once it has
    begun, `install_signal_handlers` replaces its handlers.

    If a watch is broken, kopf ends the others, and may wait for that forever: a watch that is about
    to retry takes its cancellation for the end of a pause. The caller must not assume that kopf's
    tasks have ended.

    Raises:
        BrokenWatchError: kopf has announced its end, and does not end.
    """
    ending = asyncio.Event()

    @kopf.on.startup(registry=registry)
    async def begun(**_: Any) -> None:
        await asyncio.sleep(0)  # kopf installs them in the same iteration of the loop
        install_signal_handlers()

    @kopf.on.cleanup(registry=registry)
    async def on_cleanup(**_: Any) -> None:
        ending.set()

    # Before kopf's, which waits for tasks that it finds to be younger.
    told_so = asyncio.create_task(ending.wait(), name="end of kopf")
    operator = asyncio.create_task(
        kopf.operator(
            registry=registry,
            settings=build_settings(),
            memories=_NoMemories(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stopped,
        ),
        name="watches",
    )
    try:
        await asyncio.wait({operator, told_so}, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait({operator}, timeout=_ENDING_SECONDS)
        if not done:
            raise BrokenWatchError("a watch is broken, and the others do not end")
        operator.result()
    finally:
        told_so.cancel()
        if not operator.done():
            operator.cancel()
            await asyncio.wait({operator}, timeout=_ENDING_SECONDS)


class BrokenWatchError(Exception):
    """Nothing is watched: the process must restart in place."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """No last-handled state: nothing depends on differences."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """No progress: handlers of events have none."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


class _NoMemories(ResourceMemories):
    """No memory per object: two kilobytes each that event handlers never use."""

    async def recall(self, *_: Any, **__: Any) -> ResourceMemory:
        return ResourceMemory()

    async def forget(self, *_: Any) -> None:
        return None
