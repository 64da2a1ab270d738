"""Run the proxy: `python -m testbed.faults --port PORT --upstream URL ...`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
from pathlib import Path

import aiohttp
from aiohttp import web

from testbed.faults.relay import Relay

_BACKLOG = 1024


class Listener:
    """The listening socket of the proxy, which may be closed for a while."""

    def __init__(self, *, port: int, tls: ssl.SSLContext) -> None:
        self._port = port
        self._tls = tls
        self._handler: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._absence: asyncio.Task[None] | None = None

    async def open(self, relay: Relay) -> None:
        """Start listening."""
        self._handler = web.Server(relay.handle, handler_cancellation=True, access_log=None)
        await self._listen()

    def down(self, seconds: float) -> None:
        """Close the socket for that many seconds, and all connections."""
        self._absence = asyncio.create_task(self._be_down(seconds), name="down")

    async def close(self) -> None:
        """Close the socket permanently."""
        assert self._handler is not None
        if self._server is not None:
            self._server.close()
        await self._handler.shutdown(timeout=0.1)

    async def _be_down(self, seconds: float) -> None:
        assert self._handler is not None
        assert self._server is not None
        # the requesting client gets its response first
        await asyncio.sleep(0.05)
        self._server.close()
        for connection in self._handler.connections:
            connection.force_close()
        await asyncio.sleep(seconds)
        await self._listen()

    async def _listen(self) -> None:
        assert self._handler is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._handler,
            "127.0.0.1",
            self._port,
            ssl=self._tls,
            reuse_address=True,
            backlog=_BACKLOG,
        )


def main() -> None:
    """Relay until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="testbed.faults", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--upstream-ca", type=Path, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    asyncio.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options.certificate, options.key)
    listener = Listener(port=options.port, tls=tls)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        read_bufsize=2**20,
    ) as session:
        await listener.open(
            Relay(
                session,
                upstream=options.upstream,
                trust=ssl.create_default_context(cafile=str(options.upstream_ca)),
                control_token=options.token_file.read_text(),
                down=listener.down,
            )
        )
        await stop.wait()
        await listener.close()


if __name__ == "__main__":
    main()
