"""Serves an emulated cloud until it is stopped: its hosts over TLS, a proxy, a control port."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import signal
import ssl
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from testbed.certificates import Authority
from testbed.clouds.proxy import ProxyConnection
from testbed.clouds.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from testbed.clouds.proxy import Routes

READY_FILE = "ready.json"
_LOOPBACK = "127.0.0.1"
_SHUTDOWN_SECONDS = 1.0


class Answerer(Protocol):
    """A gateway or a control."""

    async def answer(self, request: Request) -> Response:
        """The answer to any request."""


async def serve(
    directory: Path, *, name: str, gateway: Answerer, control: Answerer, routes: Routes
) -> None:
    """Serve until SIGTERM or SIGINT; `ready.json` in the directory has the ports and the CA.

    The ports: `tls` for every host of the cloud by SNI and Host, `plain` for hosts without TLS if
    there are any, `proxy` for the real host names, `control` for commands of tests.
    """
    authority = Authority(directory / "certificates", name=name)
    tls = server_tls(authority, default=routes.domains[0])
    cloud = web.Server(functools.partial(_handle, gateway.answer), access_log=None)
    control_server = web.Server(functools.partial(_handle, control.answer), access_log=None)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        ports = {
            "tls": await _listen(stack, cloud, tls=tls),
            "control": await _listen(stack, control_server, tls=None),
        }
        if routes.plain_hosts:
            ports["plain"] = await _listen(stack, cloud, tls=None)
        proxy = await loop.create_server(
            lambda: ProxyConnection(server=cloud, tls=tls, routes=routes), _LOOPBACK, 0
        )
        stack.callback(proxy.close)
        ports["proxy"] = proxy.sockets[0].getsockname()[1]
        _publish(directory, {**ports, "certificate": str(authority.certificate)})
        await ended.wait()


def server_tls(authority: Authority, *, default: str) -> ssl.SSLContext:
    """A TLS context that has a certificate for any requested name (SNI)."""

    @functools.cache
    def context_for(name: str) -> ssl.SSLContext:
        issued = authority.issue(name, hosts=[name])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def choose(
        connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> None:
        if name is not None:
            connection.context = context_for(name)

    unnamed = context_for(default)
    unnamed.sni_callback = choose
    return unnamed


async def _listen(
    stack: contextlib.AsyncExitStack, server: web.Server, *, tls: ssl.SSLContext | None
) -> int:
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, _LOOPBACK, 0, ssl_context=tls)
    await site.start()
    return int(runner.addresses[0][1])


async def _handle(
    answer: Callable[[Request], Awaitable[Response]], incoming: web.BaseRequest
) -> web.StreamResponse:
    path, _, query = incoming.raw_path.partition("?")
    if "://" in path:  # the absolute form, as sent to a proxy
        path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
    response = await answer(
        Request(
            host=incoming.host.partition(":")[0],
            method=incoming.method,
            path=path,
            query=query,
            headers=tuple((name.lower(), value) for name, value in incoming.headers.items()),
            body=await incoming.read(),
            source_ip=incoming.remote or _LOOPBACK,
        )
    )
    if response.lost and incoming.transport is not None:
        incoming.transport.abort()
    headers = {**response.headers, "Content-Type": response.content_type}
    if response.chunks:
        return await _sent_in_parts(incoming, response, headers)
    return web.Response(status=response.status, body=response.body, headers=headers)


async def _sent_in_parts(
    incoming: web.BaseRequest, response: Response, headers: Mapping[str, str]
) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=headers)
    await stream.prepare(incoming)
    for chunk in response.chunks:
        await stream.write(chunk)
        await asyncio.sleep(response.seconds / len(response.chunks))
    await stream.write_eof()
    return stream


def _publish(directory: Path, content: dict[str, object]) -> None:
    """Write the ready file atomically, so that no client reads half of it."""
    draft = directory / f"{READY_FILE}.draft"
    draft.write_text(json.dumps(content))
    draft.replace(directory / READY_FILE)
