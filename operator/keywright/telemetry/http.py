"""/livez and /readyz for the kubelet; /metrics on the same port, or on its own with TLS."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from keywright.telemetry.certificates import ServingCertificate
from keywright.telemetry.listener import ConnectionLimits, Listener

_LOG = logging.getLogger(__name__)
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_REFUSALS: Final = {
    401: "a bearer token is needed: give the scraper one of a ServiceAccount\n",
    403: "the token may not GET /metrics: bind its ServiceAccount to ClusterRole"
    " keywright-metrics-reader\n",
    503: "the Kubernetes API could not be asked whether the token may GET /metrics\n",
}
_LARGEST_REQUEST: Final = 1024
_BEAT_SECONDS = 1.0
_REQUEST_SECONDS: Final = 10.0
_LIMITS: Final = ConnectionLimits()


class Heartbeat:
    """Measures how long the event loop is blocked: a loop without a beat is not live."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)


@dataclass(frozen=True, slots=True)
class MetricsListener:
    """The separate address of /metrics, and its authorization.

    `authorize` returns the HTTP status for an Authorization header: 200, or that of a refusal.
    """

    host: str
    port: int
    certificate: ServingCertificate | None = None
    authorize: Callable[[str | None], Awaitable[int]] | None = None


class TelemetryServer:
    """Serves the kubelet and Prometheus.

    `live` and `ready` return the reason for a failure, or an empty string. `metrics` is called in a
    thread, beside the event loop. Without a `listener`, /metrics is served on the address of the
    probes. `limits` are those of each listener; a request must be complete within
    `request_seconds`.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        live: Callable[[], str],
        ready: Callable[[], str],
        metrics: Callable[[], bytes],
        listener: MetricsListener | None = None,
        limits: ConnectionLimits = _LIMITS,
        request_seconds: float = _REQUEST_SECONDS,
    ) -> None:
        self._live = live
        self._ready = ready
        self._metrics = metrics
        self._scraping = asyncio.Lock()
        self._listener = listener
        scrapes = web.get("/metrics", self._answer_metrics)
        probes = [
            web.get("/livez", self._answer_live),
            web.get("/readyz", self._answer_ready),
        ]
        # Each has its own limits: a client that exhausts one leaves capacity for the probes.
        with_probes = [*probes, *([scrapes] if listener is None else [])]
        self._sites = [
            _Site(
                _runner(*with_probes, request_seconds=request_seconds),
                Listener(host=host, port=port, tls=None, limits=limits),
            )
        ]
        if listener is not None:
            tls = None if listener.certificate is None else listener.certificate.context
            self._sites.append(
                _Site(
                    _runner(scrapes, request_seconds=request_seconds),
                    Listener(host=listener.host, port=listener.port, tls=tls, limits=limits),
                )
            )

    @property
    def address(self) -> tuple[str, int]:
        """The address of the probes, once it listens."""
        return self._sites[0].listener.address

    @property
    def metrics_address(self) -> tuple[str, int]:
        """The address of /metrics, once it listens."""
        return self._sites[-1].listener.address

    async def start(self) -> None:
        """Listen; raises OSError if a port is in use."""
        for site in self._sites:
            await site.start()
            _LOG.debug("listening on %s:%d", *site.listener.address)

    async def stop(self) -> None:
        """Close the listeners and their connections."""
        for site in self._sites:
            await site.stop()

    async def _answer_live(self, _: web.Request) -> web.Response:
        return _probe_response(self._live())

    async def _answer_ready(self, _: web.Request) -> web.Response:
        return _probe_response(self._ready())

    async def _answer_metrics(self, request: web.Request) -> web.Response:
        status = await self._authorized(request)
        if status != _OK:
            # RFC 9110, 11.6.1: a 401 names the authentication scheme.
            headers = {"WWW-Authenticate": "Bearer"} if status == _UNAUTHORIZED else {}
            return web.Response(text=_REFUSALS[status], status=status, headers=headers)
        # For ten thousand grants it takes a third of a second; one scrape at a time.
        async with self._scraping:
            body = await asyncio.to_thread(self._metrics)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _authorized(self, request: web.Request) -> int:
        listener = self._listener
        if listener is None:
            return _OK
        if listener.certificate is not None:
            try:
                listener.certificate.refresh()
            except (OSError, ssl.SSLError) as error:
                # The certificate in use stays: the new files may be incomplete.
                _LOG.warning("metrics certificate: reading failed, keeping the old one: %s", error)
        if listener.authorize is None:
            return _OK
        return await listener.authorize(request.headers.get("Authorization"))


@dataclass(frozen=True, slots=True)
class _Site:
    runner: web.AppRunner
    listener: Listener

    async def start(self) -> None:
        await self.runner.setup()
        server = self.runner.server
        assert server is not None
        self.listener.start(server)

    async def stop(self) -> None:
        await self.listener.stop_accepting()
        await self.runner.cleanup()
        await self.listener.close()


def _runner(*routes: web.RouteDef, request_seconds: float) -> web.AppRunner:
    application = web.Application(client_max_size=_LARGEST_REQUEST, middlewares=[_report_failure])
    application.add_routes(routes)
    return web.AppRunner(
        application,
        access_log=None,
        # aiohttp applies it both to the first request of a connection and to a whole one.
        keepalive_timeout=request_seconds,
        # Silent: a traceback for each malformed request would let any client fill the log.
        logger=logging.Logger("keywright.telemetry.requests", level=logging.CRITICAL + 1),  # noqa: LOG001
    )


@web.middleware
async def _report_failure(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:
        _LOG.error("answering a request failed: %s", type(error).__name__)
        _LOG.debug("answering a request failed", exc_info=True)
        raise


def _probe_response(why_not: str) -> web.Response:
    return web.Response(text=f"{why_not or 'ok'}\n", status=503 if why_not else 200)
