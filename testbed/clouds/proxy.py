"""An HTTP proxy that leads to the emulator: CONNECT to the cloud's hosts only.

With it an unmodified SDK reaches the emulator under the vendor's real host names, so that the
product needs no endpoint setting for tests. The tunnel is not relayed: after the response to
CONNECT, TLS starts on the same connection, which saves a hop and half of the work. Requests to a
metadata service have no TLS and the absolute form, and are answered on the same connection too.
Hosts of another cloud in the same environment are relayed to its proxy, and a loopback address to
its port, because some SDKs do not support NO_PROXY.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from typing_extensions import override

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_CONNECT = re.compile(rb"CONNECT ([a-z0-9.-]+):443 HTTP/1\.[01]\r\n")
_ABSOLUTE = re.compile(rb"[A-Z]+ http://([a-z0-9.-]+)(?::(\d+))?/\S* HTTP/1\.[01]\r\n")
_LOOPBACK = "127.0.0.1"
_HEAD_END = b"\r\n\r\n"
_HEAD_LIMIT = 16 * 1024
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Routes:
    """The hosts of the proxy: `domains` over TLS, `plain_hosts` without.

    `others` are domains of another cloud, each with the port of its proxy on this machine.
    """

    domains: tuple[str, ...]
    plain_hosts: tuple[str, ...] = ()
    others: dict[str, int] = field(default_factory=dict)

    def tunnels(self, host: str) -> bool:
        """Whether the host belongs to this cloud."""
        return any(host.endswith(f".{domain}") for domain in self.domains)

    def other(self, host: str) -> int | None:
        """The proxy's port of the cloud that has this host."""
        found = (port for domain, port in self.others.items() if host.endswith(f".{domain}"))
        return next(found, None)


class ProxyConnection(asyncio.Protocol):
    """One client of the proxy, until its destination is known."""

    def __init__(
        self, *, server: Callable[[], asyncio.Protocol], tls: ssl.SSLContext, routes: Routes
    ) -> None:
        self._server = server
        self._tls = tls
        self._routes = routes
        self._head = b""
        self._task: asyncio.Task[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._task is not None:  # still connecting to another proxy
            return
        if _HEAD_END not in self._head and len(self._head) <= _HEAD_LIMIT:
            return
        absolute = _ABSOLUTE.match(self._head)
        if absolute is not None and absolute[1].decode() in self._routes.plain_hosts:
            self._hand_over()
            return
        connect = _CONNECT.match(self._head)
        host = connect[1].decode() if connect is not None else ""
        port = _loopback_port(absolute) or self._routes.other(host)
        if port is not None:
            self._task = asyncio.create_task(self._relay(port), name="relay")
        elif self._routes.tunnels(host) and self._head.endswith(_HEAD_END):
            self._transport.write(_ESTABLISHED)
            self._task = asyncio.create_task(self._start_tls(), name="tunnel")
        else:
            self._transport.write(_FORBIDDEN)
            self._transport.close()

    def _hand_over(self) -> None:
        protocol = self._server()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._head)

    async def _relay(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(
                lambda: _Relay(self._transport), _LOOPBACK, port
            )
        except OSError:  # that cloud has ended
            self._transport.close()
            return
        if self._transport.is_closing():  # the client gave up in the meantime
            transport.close()
            return
        self._transport.set_protocol(_Relay(transport))
        transport.write(self._head)

    async def _start_tls(self) -> None:
        early = _Early()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, EOFError):  # a client that gives up is not an error
            tunnel = await loop.start_tls(self._transport, early, self._tls, server_side=True)
            if tunnel is None or early.lost:
                return
            protocol = self._server()
            tunnel.set_protocol(protocol)
            protocol.connection_made(tunnel)
            if early.data:
                protocol.data_received(early.data)


def _loopback_port(absolute: re.Match[bytes] | None) -> int | None:
    if absolute is None or absolute[1].decode() != _LOOPBACK or absolute[2] is None:
        return None
    return int(absolute[2])


class _Relay(asyncio.Protocol):
    """Forwards data and end of stream to the other side."""

    def __init__(self, other: asyncio.Transport) -> None:
        self._other = other

    @override
    def data_received(self, data: bytes) -> None:
        self._other.write(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._other.close()


class _Early(asyncio.Protocol):
    """Buffers data between the handshake and the time at which the server takes over."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    @override
    def data_received(self, data: bytes) -> None:
        self.data += data

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
