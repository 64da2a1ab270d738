"""/livez, /readyz and /metrics, on a server of their own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import web

_BEAT_SECONDS = 1.0


class Heartbeat:
    """How long the event loop was last held up: a loop that does not beat is not alive."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)


class TelemetryServer:
    """Answers the kubelet and Prometheus.

    `live` and `ready` return the reason why not, or nothing where all is well. `metrics` is called
    in a thread, beside the event loop.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        live: Callable[[], str],
        ready: Callable[[], str],
        metrics: Callable[[], bytes],
    ) -> None:
        self._host = host
        self._port = port
        self._live = live
        self._ready = ready
        self._metrics = metrics
        self._scraping = asyncio.Lock()
        application = web.Application()
        application.add_routes(
            [
                web.get("/livez", self._answer_live),
                web.get("/readyz", self._answer_ready),
                web.get("/metrics", self._answer_metrics),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        """Listen; raises OSError where the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        logging.getLogger(__name__).debug("listening on %s:%d", self._host, self._port)

    async def stop(self) -> None:
        """Close the listener and its connections."""
        await self._runner.cleanup()

    async def _answer_live(self, _: web.Request) -> web.Response:
        return _told(self._live())

    async def _answer_ready(self, _: web.Request) -> web.Response:
        return _told(self._ready())

    async def _answer_metrics(self, _: web.Request) -> web.Response:
        # Of ten thousand grants it takes a third of a second; one scrape at a time.
        async with self._scraping:
            body = await asyncio.to_thread(self._metrics)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})


def _told(why_not: str) -> web.Response:
    return web.Response(text=f"{why_not or 'ok'}\n", status=503 if why_not else 200)
