"""One watch: all events after a version for the objects that it selects."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohttp import web

from testbed.clusters.embedded import faults
from testbed.clusters.embedded.documents import encode
from testbed.clusters.embedded.faults import Fault, FaultKind
from testbed.clusters.embedded.field_errors import ApiError, expired

if TYPE_CHECKING:
    from testbed.clusters.embedded.forms import Presenter
    from testbed.clusters.embedded.resources import ResourceKey
    from testbed.clusters.embedded.selectors import Predicate
    from testbed.clusters.embedded.store import Event, Store

_BOOKMARK_SECONDS: Final = 10.0


class Watch:
    """Collects events and writes them to one client."""

    def __init__(
        self,
        store: Store,
        kind: ResourceKey,
        *,
        presenter: Presenter,
        namespace: str,
        predicate: Predicate | None,
        bookmarks: bool,
    ) -> None:
        self._store = store
        self._kind = kind
        self._presenter = presenter
        self._namespace = namespace
        self._predicate = predicate
        self._bookmarks = bookmarks
        self._pending: deque[Event | None] = deque()
        self._wake = asyncio.Event()
        self._fault: Fault | None = None
        self._first = True
        self._sent = 0

    def interrupt(self, fault: Fault) -> None:
        """Apply a fault to this watch now."""
        self._fault = fault
        self._wake.set()

    def _on_event(self, event: Event | None) -> None:
        self._pending.append(event)
        self._wake.set()

    async def run(
        self,
        request: web.BaseRequest,
        *,
        version: int | None,
        initial_end: bool,
        seconds: float,
    ) -> web.StreamResponse:
        """Stream until the timeout, the end of the client, or a fault.

        Without `version`, the current objects are sent first, each as ADDED.
        """
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        listeners = self._store.bucket(self._kind).listeners
        listeners.append(self._on_event)
        try:
            await response.write(self._beginning(version, initial_end=initial_end))
            await self._follow(request, response, seconds=seconds)
        except ApiError as error:
            await response.write(encode({"type": "ERROR", "object": error.status()}) + b"\n")
        except ConnectionResetError:
            return response
        finally:
            listeners.remove(self._on_event)
        with contextlib.suppress(ConnectionResetError):
            await response.write_eof()
        return response

    def _beginning(self, version: int | None, *, initial_end: bool) -> bytes:
        if version is not None:
            missed = self._store.events_since(self._kind, version)
            self._sent = version
            return b"".join(filter(None, map(self._line, missed)))
        lines = []
        for _, record in self._store.records(self._kind, namespace=self._namespace):
            if self._predicate is None or self._predicate(record.document):
                lines.append(self._presenter.event("ADDED", record, first=self._first))
                self._first = False
        self._sent = self._store.version
        if initial_end:
            lines.append(self._presenter.bookmark(self._store.version, initial_end=True))
        return b"".join(lines)

    async def _follow(
        self, request: web.BaseRequest, response: web.StreamResponse, *, seconds: float
    ) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        bookmark_at = loop.time() + _BOOKMARK_SECONDS
        while loop.time() < end:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(end, bookmark_at)):
                    await self._wake.wait()
            self._wake.clear()
            if self._fault is not None and await self._spoilt(request):
                return
            if lines := self._drain():
                await response.write(lines)
            if loop.time() >= bookmark_at:
                bookmark_at = loop.time() + _BOOKMARK_SECONDS
                if self._bookmarks:
                    # Everything up to here has been sent; a write of another kind is not missed.
                    mark = self._presenter.bookmark(self._store.version, initial_end=False)
                    await response.write(mark)

    def _drain(self) -> bytes:
        lines: list[bytes] = []
        while self._pending:
            event = self._pending.popleft()
            if event is None:
                raise expired("The resourceVersion for the provided watch is too old.")
            if event.version > self._sent and (line := self._line(event)) is not None:
                lines.append(line)
        return b"".join(lines)

    def _line(self, event: Event) -> bytes | None:
        """The line of an event; an object that starts to match the selection is ADDED."""
        self._sent = event.version
        if self._namespace and event.key[0] != self._namespace:
            return None
        kind = event.type
        record = event.record
        if self._predicate is not None:
            now = kind != "DELETED" and self._predicate(record.document)
            before = event.previous is not None and self._predicate(event.previous.document)
            if not now and not before:
                return None
            if not now and event.previous is not None:
                # It no longer matches the selection: the client sees its last matching state.
                kind, record = "DELETED", event.departed()
            elif not before:
                kind = "ADDED"
        first, self._first = self._first, False
        return self._presenter.event(kind, record, first=first)

    async def _spoilt(self, request: web.BaseRequest) -> bool:
        fault, self._fault = self._fault, None
        if fault is None or fault.kind is FaultKind.SLOW:
            return False
        return await faults.happen(fault, request)
