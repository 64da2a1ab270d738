"""An HTTP server that closes connections whose first request does not arrive in time.

aiohttp limits the time between two requests of a connection, and not that before the first: a
client that sends its headers byte by byte would keep its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from typing_extensions import override

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class TimedServer(web.Server):
    """The connections of `handler`; `head_seconds` is the time for the headers of the first."""

    def __init__(self, handler: Handler, *, head_seconds: float, **options: Any) -> None:
        super().__init__(self._handle, **options)
        self._handler = handler
        self._head_seconds = head_seconds
        self._timers: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            self._stop(request.transport)
        return await self._handler(request)

    @override
    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self._timers[transport] = loop.call_later(self._head_seconds, self._abort, transport)

    @override
    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        if handler.transport is not None:
            self._stop(handler.transport)
        super().connection_lost(handler, exc)

    def _abort(self, transport: asyncio.Transport) -> None:
        self._timers.pop(transport, None)
        transport.abort()

    def _stop(self, transport: asyncio.BaseTransport) -> None:
        timer = self._timers.pop(transport, None)
        if timer is not None:
            timer.cancel()
