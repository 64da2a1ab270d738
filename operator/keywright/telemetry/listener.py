"""A TCP listener with limits on connections, and deadlines for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_LOG = logging.getLogger(__name__)
_BACKLOG: Final = 128
_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Connections in total and per address; seconds for TLS handshakes and unread responses.

    The deadline for a request is that of the protocol.
    """

    most: int = 64
    most_of_address: int = 8
    handshake_seconds: float = 10.0
    write_seconds: float = 30.0


class _Tracked(asyncio.Protocol):
    """Forwards everything to a protocol, and closes a connection whose peer does not read."""

    def __init__(self, inner: Any, *, write_seconds: float) -> None:
        self._inner = inner
        self._write_seconds = write_seconds
        self._transport: asyncio.BaseTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        self._inner.eof_received()
        return None

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._write_seconds, self.abort)

    def resume_writing(self) -> None:
        self._cancel_deadline()
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._inner.connection_lost(exc)
        self.lost.set()

    def abort(self) -> None:
        """Close the connection immediately."""
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Listener:
    """Accepts connections for a protocol, a limited number per address.

    When all are in use, a new connection replaces the oldest one of the address with the most: a
    scraper or kubelet with one connection is served regardless of other clients.
    """

    def __init__(
        self, *, host: str, port: int, tls: ssl.SSLContext | None, limits: ConnectionLimits
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        # In the order of arrival.
        self._open: dict[asyncio.Task[None], str] = {}

    @property
    def address(self) -> tuple[str, int]:
        """The address it listens on."""
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        return host, port

    def start(self, protocol: Callable[[], Any]) -> None:
        """Listen; raises OSError if the port is in use."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            made = socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        except OSError as error:
            place = f"({self._host!r}, {self._port})"
            raise OSError(
                error.errno,
                f"error while attempting to bind on address {place}: {error.strerror}".lower(),
            ) from None
        made.settimeout(0)
        self._socket = made
        self._accepting = asyncio.create_task(self._accept(made, protocol))

    async def stop_accepting(self) -> None:
        """Stop accepting connections; open ones stay."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def close(self) -> None:
        """Close every connection."""
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listening: socket.socket, protocol: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:  # of the peer, or no file descriptor is free
                _LOG.warning(
                    "accepting a connection failed, retrying in %d s: %s", _PAUSE_SECONDS, error
                )
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            address = str(peer[0])
            if not self._has_room(address):
                connection.close()
                continue
            task = asyncio.create_task(self._serve(connection, protocol))
            self._open[task] = address
            task.add_done_callback(lambda done: self._open.pop(done, None))

    def _has_room(self, address: str) -> bool:
        counts = Counter(self._open.values())
        if counts[address] >= self._limits.most_of_address:
            return False
        if len(self._open) < self._limits.most:
            return True
        ((busiest, count),) = counts.most_common(1)
        if count <= counts[address] + 1:
            return False
        oldest = next(task for task, of in self._open.items() if of == busiest)
        del self._open[oldest]
        oldest.cancel()
        return True

    async def _serve(self, connection: socket.socket, protocol: Callable[[], Any]) -> None:
        tracked = _Tracked(protocol(), write_seconds=self._limits.write_seconds)
        try:
            # A peer that disconnects is not an error of the server, and would fill the log.
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: tracked,
                    connection,
                    ssl=self._tls,
                    ssl_handshake_timeout=self._limits.handshake_seconds if self._tls else None,
                    ssl_shutdown_timeout=self._limits.handshake_seconds if self._tls else None,
                )
                await tracked.lost.wait()
        finally:
            tracked.abort()
            connection.close()
