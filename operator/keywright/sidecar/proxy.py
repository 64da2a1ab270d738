"""A proxy on the loopback address that adds the current key to each request.

For clients that read a key once: they get a base URL and any placeholder as their key. Bodies are
streamed in both directions. Only paths of one upstream are forwarded; no header or body is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Final, Protocol

import aiohttp
from aiohttp import HttpVersion11, web
from multidict import CIMultiDict
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from yarl import URL

from keywright.api.sensitive import Sensitive
from keywright.sidecar.listener import TimedServer
from keywright.sidecar.mounted_key import KeySource, NoKeyError
from keywright.sidecar.proxy_metrics import ProxyMetrics
from keywright.sidecar.proxy_rules import (
    METHODS,
    RefusedError,
    Upstream,
    check_host,
    check_origin,
    forwarded_target,
    request_headers,
    response_headers,
)

_LOG = logging.getLogger(__name__)
_HOST: Final = "127.0.0.1"
MOST_REQUESTS: Final = 1024
"""Requests at the same time; further ones get 503."""
# A body up to this size is sent again if the key was refused while a newer one is mounted.
_REPEATABLE_BYTES: Final = 256 * 1024
_CONNECT_SECONDS: Final = 10.0
# Models may think for minutes before their first byte.
_ANSWER_SECONDS: Final = 900.0
_BODY_IDLE_SECONDS: Final = 60.0
_HEAD_SECONDS: Final = 10.0
_KEEP_ALIVE_SECONDS: Final = 60.0
_REFUSED_KEY: Final = frozenset({401, 403})
_AUTOMATIC: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Signer(Protocol):
    """Signs requests with the credentials that a `KeySource` returns."""

    @property
    def streams(self) -> bool:
        """Whether bodies are not part of the signature."""

    @property
    def most_bytes(self) -> int:
        """The largest body that is signed."""

    def check(self, target: str, headers: Iterable[tuple[str, str]], /) -> None:
        """Refuse what cannot be signed again; raises RefusedError."""

    def sign(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]],
        *,
        body: bytes | None,
        credentials: Sensitive,
    ) -> list[tuple[str, str]]:
        """The headers with those of the signature."""


class KeyProxy:
    """Forwards requests to one upstream, with the current key of `keys`."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        keys: KeySource,
        metrics: ProxyMetrics,
        tls: ssl.SSLContext,
        http_proxy: str | None = None,
        signer: Signer | None = None,
        most_requests: int = MOST_REQUESTS,
        body_idle_seconds: float = _BODY_IDLE_SECONDS,
        head_seconds: float = _HEAD_SECONDS,
    ) -> None:
        self._upstream = upstream
        self._keys = keys
        self._metrics = metrics
        self._tls = tls
        self._http_proxy = http_proxy
        self._signer = signer
        self._most = most_requests
        self._body_idle = body_idle_seconds
        self._open = 0
        self._reported: str | None = None
        self._session: aiohttp.ClientSession | None = None
        # Without a router: the rules decide on the path as it was sent.
        server = TimedServer(
            self._handle,
            head_seconds=head_seconds,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            auto_decompress=False,
        )
        self._runner = web.ServerRunner(server)

    async def start(self, *, port: int | None, socket: Path | None = None) -> None:
        """Listen on the loopback port, and on the Unix socket; raises OSError."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ssl=self._tls, keepalive_timeout=_KEEP_ALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            proxy=self._http_proxy,
            skip_auto_headers=_AUTOMATIC,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS
            ),
            # With it, ~/.netrc is read for each request, and can add credentials of its own.
            trust_env=False,
        )
        await self._runner.setup()
        if port is not None:
            await web.TCPSite(self._runner, _HOST, port).start()
        if socket is not None:
            await web.UnixSite(self._runner, str(socket)).start()

    async def stop(self) -> None:
        """Close the listeners and all connections."""
        await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    @property
    def is_ready(self) -> bool:
        """Whether there is a key."""
        try:
            self._current_key()
        except NoKeyError:
            return False
        return True

    def _current_key(self) -> Sensitive:
        """The key; a reason is logged when it changes, not for each request."""
        try:
            key = self._keys.current()
        except NoKeyError as error:
            if str(error) != self._reported:
                _LOG.warning("no key, requests are refused: %s", error)
            self._reported = str(error)
            raise
        self._reported = None
        return key

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._open >= self._most:
            return self._refusal(503, f"more than {self._most} requests at the same time")
        self._open += 1
        self._metrics.open.inc()
        try:
            return await self._forward(request)
        except RefusedError as error:
            return self._refusal(error.status, str(error))
        except NoKeyError as error:
            return self._refusal(503, str(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The text of an error may have addresses; its class says enough.
            return self._refusal(502, f"the upstream failed: {type(error).__name__}")
        finally:
            self._open -= 1
            self._metrics.open.dec()

    def _refusal(self, status: int, message: str) -> web.Response:
        self._metrics.refused(status)
        answer = web.json_response({"message": f"keywright proxy: {message}"}, status=status)
        # What is left of the request's body is not read.
        answer.force_close()
        return answer

    async def _forward(self, request: web.BaseRequest) -> web.StreamResponse:
        check_host(request.headers.get("Host"))
        check_origin(request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"))
        if request.method not in METHODS:
            raise RefusedError(405, f"the method is not one of {', '.join(sorted(METHODS))}")
        target = forwarded_target(request.raw_path, self._upstream)
        body = RequestBody(request, idle_seconds=self._body_idle)
        began = time.perf_counter()
        try:
            answer = await self._answer(request, target, body)
        except (aiohttp.ClientError, TimeoutError):
            if body.is_late:
                raise RefusedError(408, "the body of the request came too slowly") from None
            raise
        async with answer:
            self._metrics.forwarded(answer.status, seconds=time.perf_counter() - began)
            if 300 <= answer.status < 400 and answer.status != 304:
                raise RefusedError(502, "the upstream redirects, and redirects are not followed")
            return await _relayed(request, answer)

    async def _answer(
        self, request: web.BaseRequest, target: str, body: RequestBody
    ) -> aiohttp.ClientResponse:
        """The response of the upstream; a second one if the key was replaced meanwhile."""
        key = self._current_key()
        await body.invite()
        answer = await self._send(request, target, body, key)
        if answer.status in _REFUSED_KEY and body.is_repeatable:
            newer = self._newer_than(key)
            if newer is not None:
                answer.release()
                self._metrics.repeated.inc()
                answer = await self._send(request, target, body, newer)
        return answer

    def _newer_than(self, key: Sensitive) -> Sensitive | None:
        """The key, if it was replaced since."""
        try:
            current = self._current_key()
        except NoKeyError:
            return None
        same = hmac.compare_digest(current.reveal().encode(), key.reveal().encode())
        return None if same else current

    async def _send(
        self, request: web.BaseRequest, target: str, body: RequestBody, key: Sensitive
    ) -> aiohttp.ClientResponse:
        assert self._session is not None
        url = self._upstream.origin + target
        headers = request_headers(request.headers.items(), upstream=self._upstream)
        data = body.arrived() or body.chunks() if request.body_exists else None
        signer = self._signer
        if signer is None:
            headers.append(self._upstream.header.with_key(key.reveal()))
        else:
            signer.check(target, request.headers.items())
            signed = None
            if not signer.streams:
                data = signed = await body.read(limit=signer.most_bytes)
            headers = signer.sign(request.method, url, headers, body=signed, credentials=key)
        return await self._session.request(
            request.method,
            URL(url, encoded=True),
            headers=headers,
            data=data,
            allow_redirects=False,
        )


class RequestBody:
    """The body of a request: streamed, and kept up to a limit so that it can be sent again."""

    def __init__(self, request: web.BaseRequest, *, idle_seconds: float) -> None:
        self._request = request
        self._content = request.content
        self._whole: bytes | None = None
        self._idle = idle_seconds
        self._kept: list[bytes] = []
        self._size = 0
        self._complete = not request.body_exists
        self.is_late = False

    @property
    def is_repeatable(self) -> bool:
        """Whether the whole body was read and kept."""
        kept = self._size <= _REPEATABLE_BYTES or self._whole is not None
        return self._complete and kept

    async def invite(self) -> None:
        """Let a client that waits for `100 Continue` send the body (RFC 9110, section 10.1.1).

        A server of aiohttp without a router sends none: some clients would wait for a second, and
        others until the request ends with 408.
        """
        request = self._request
        waits = request.headers.get("Expect", "").strip().lower() == "100-continue"
        if waits and request.version >= HttpVersion11 and not self._content.is_eof():
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # As in aiohttp's router: the response has not begun.
            request.writer.output_size = 0

    def arrived(self) -> bytes | None:
        """The whole body, if it arrived with the headers: the usual case of a short one."""
        if self._whole is None and not self._size and self._content.is_eof():
            self._whole = self._content.read_nowait()
            self._complete = True
        return self._whole

    async def read(self, *, limit: int) -> bytes:
        """The whole body.

        Raises:
            RefusedError: it is larger than the limit.
            TimeoutError: as `chunks`.
        """
        if self._whole is None:
            whole = bytearray()
            async for chunk in self.chunks():
                whole += chunk
                if len(whole) > limit:
                    raise RefusedError(413, f"bodies that are signed have at most {limit} bytes")
            self._whole = bytes(whole)
        return self._whole

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what was kept, and then what follows.

        Raises:
            TimeoutError: the client sends nothing for too long; `is_late` is set.
        """
        for chunk in tuple(self._kept):
            yield chunk
        while not self._complete:
            try:
                async with asyncio.timeout(self._idle):
                    chunk = await self._content.readany()
            except TimeoutError:
                self.is_late = True
                raise
            if not chunk:
                self._complete = True
                return
            self._size += len(chunk)
            if self._size <= _REPEATABLE_BYTES:
                self._kept.append(chunk)
            else:
                self._kept.clear()
            yield chunk


async def _relayed(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Stream the response to the client as it arrives.

    If the upstream breaks off, the client's connection is cut: a body that ends regularly would
    look complete.
    """
    headers = CIMultiDict(response_headers(answer.headers.items()))
    if answer.content.is_eof() and answer.content.exception() is None:
        # All of it has arrived: sent at once, with the headers.
        body = answer.content.read_nowait()
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, TimeoutError, OSError):
        if request.transport is not None:
            request.transport.abort()
        return response
    with contextlib.suppress(OSError):
        await response.write_eof()
    return response


class ProxyMonitor:
    """`/metrics` and `/readyz` of the proxy, for the kubelet and Prometheus; no key is there."""

    def __init__(self, proxy: KeyProxy, *, metrics: ProxyMetrics, port: int) -> None:
        self._proxy = proxy
        self._metrics = metrics
        self._port = port
        application = web.Application()
        application.router.add_get("/metrics", self._answer_metrics)
        application.router.add_get("/readyz", self._answer_readiness)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        """Listen on all addresses of the pod; raises OSError."""
        await self._runner.setup()
        await web.TCPSite(self._runner, None, self._port).start()

    async def stop(self) -> None:
        """Close the listener."""
        await self._runner.cleanup()

    async def _answer_metrics(self, _: web.BaseRequest) -> web.Response:
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    async def _answer_readiness(self, _: web.BaseRequest) -> web.Response:
        if self._proxy.is_ready:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="no key\n")
