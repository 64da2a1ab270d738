"""A TCP forwarder between a client and an API server, which can be cut; with little overhead.

While it is cut, no data passes and neither side is notified: connections stay open, as in a network
partition. When it is restored, data in transit arrives, unless its sender has reset the connection
in the meantime: a kernel does not send again after a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import urlsplit

import yaml

from testbed.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

_HOST = "127.0.0.1"
_BACKLOG = 1024
_PATIENCE_SECONDS = 10.0


class _End(asyncio.Protocol):
    """One end of a connection; received data is sent by the other end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def join(self, other: _End) -> None:
        """Connect both ends."""
        self.other, other.other = other, self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's name
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def hold(self) -> None:
        """Stop reading: data stays in the kernel."""
        if self.transport is not None:
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Resume reading, unless the peer has reset the connection."""
        if self.transport is None or self.other is None:
            return
        raw: socket.socket = self.transport.get_extra_info("socket")
        if raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        else:
            self.transport.resume_reading()


class Line:
    """Forwards to the API server of a cluster while it is entered; a thread transfers the data."""

    def __init__(self, server: str) -> None:
        target = urlsplit(server)
        assert target.hostname is not None
        assert target.port is not None
        self._host, self._to = target.hostname, target.port
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._whole = asyncio.Event()
        self._ends: set[_End] = set()
        self._joining: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._done(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._done(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lead(self, kubeconfig: Path) -> Path:
        """Change a kubeconfig to connect through this forwarder; returns it."""
        document = yaml.safe_load(kubeconfig.read_text())
        for entry in document["clusters"]:
            entry["cluster"]["server"] = f"https://{_HOST}:{self._port}"
        kubeconfig.write_text(yaml.safe_dump(document))
        return kubeconfig

    def cut(self) -> None:
        """Cut the connection; returns when no data passes."""
        self._done(self._cut())

    def mend(self) -> None:
        """Restore the connection; returns when held data is being sent."""
        self._done(self._mend())

    def _done(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_SECONDS)

    async def _listen(self) -> None:
        self._whole.set()
        self._server = await self._loop.create_server(
            self._accept, _HOST, self._port, backlog=_BACKLOG
        )

    async def _close(self) -> None:
        self._server.close()
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)
        for end in self._ends:
            if end.transport is not None:
                end.transport.abort()
        await asyncio.sleep(0)  # transports close their sockets in the next iteration of the loop

    async def _cut(self) -> None:
        self._whole.clear()
        for end in self._ends:
            end.hold()

    async def _mend(self) -> None:
        self._whole.set()
        for end in self._ends:
            end.go_on()

    def _accept(self) -> _End:
        near = _End()
        self._ends.add(near)
        task = self._loop.create_task(self._join(near))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)
        return near

    async def _join(self, near: _End) -> None:
        """Connect a client; while the forwarder is cut, it waits silently."""
        await self._whole.wait()
        far = _End()
        self._ends.add(far)
        with contextlib.suppress(OSError):
            await self._loop.create_connection(lambda: far, self._host, self._to)
        near.join(far)
        for end in (near, far):
            if end.transport is None:
                end.connection_lost(None)
        if self._whole.is_set():
            near.go_on()
            far.go_on()
