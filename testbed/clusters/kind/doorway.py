"""A port forwarder from pods to the loopback address of this machine.

The emulated clouds only listen on loopback. Pods connect from the nodes' network, whose gateway is
this machine: their data is forwarded byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

_LOOPBACK = "127.0.0.1"
_CHUNK = 64 * 1024


class Doorway:
    """While entered, `port` at `address` leads to `to_port` of the loopback address."""

    def __init__(self, address: str, *, to_port: int) -> None:
        self._address = address
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._opened = threading.Event()
        self._ended = asyncio.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="doorway", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            server = await asyncio.start_server(self._pass, self._address, 0)
        except OSError as error:
            self._error = error
            self._opened.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._opened.set()
        await self._ended.wait()
        server.close()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The cloud has ended, either side closed the connection, or the forwarder is stopped.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, onward = await asyncio.open_connection(_LOOPBACK, self._to_port)
            await asyncio.gather(_pump(reader, onward), _pump(there, writer))
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
