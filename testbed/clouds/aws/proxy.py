"""An HTTP proxy that leads to the emulator: CONNECT to *.amazonaws.com and *.api.aws, port 443.

With it an unmodified SDK reaches the emulator under AWS's real host names, so that nothing in the
product needs an endpoint of its own for tests. The tunnel is not relayed: after the answer to
CONNECT, TLS starts on the same connection, which saves a hop and half of the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, cast

from typing_extensions import override

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_TARGET = re.compile(rb"CONNECT [a-z0-9.-]+\.(amazonaws\.com|api\.aws):443 HTTP/1\.[01]\r\n")
_HEAD_END = b"\r\n\r\n"
_HEAD_LIMIT = 16 * 1024
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class ProxyConnection(asyncio.Protocol):
    """One client of the proxy, until its tunnel stands."""

    def __init__(self, *, server: Callable[[], asyncio.Protocol], tls: ssl.SSLContext) -> None:
        self._server = server
        self._tls = tls
        self._head = b""
        self._upgrade: asyncio.Task[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._head += data
        if _HEAD_END not in self._head and len(self._head) <= _HEAD_LIMIT:
            return
        if not _TARGET.match(self._head) or not self._head.endswith(_HEAD_END):
            self._transport.write(_FORBIDDEN)
            self._transport.close()
            return
        self._transport.write(_ESTABLISHED)
        self._upgrade = asyncio.create_task(self._start_tls(), name="tunnel")

    async def _start_tls(self) -> None:
        early = _Early()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, EOFError):  # a client that gives up is no fault of ours
            tunnel = await loop.start_tls(self._transport, early, self._tls, server_side=True)
            if tunnel is None or early.lost:
                return
            protocol = self._server()
            tunnel.set_protocol(protocol)
            protocol.connection_made(tunnel)
            if early.data:
                protocol.data_received(early.data)


class _Early(asyncio.Protocol):
    """Keeps what arrives between the handshake and the moment the server takes over."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    @override
    def data_received(self, data: bytes) -> None:
        self.data += data

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
