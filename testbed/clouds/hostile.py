"""Servers that misbehave the way a hostile endpoint would, on loopback, for tests.

`Hostile` runs in the loop of a test, with plain HTTP or TLS. `HostileEndpoint` is the same in a
process of its own, with a certificate, for a test whose operator is one as well.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import enum
import json
import os
import ssl
import sys
import zlib
from pathlib import Path
from typing import Self

from testbed.certificates import Authority
from testbed.processes import ChildProcess

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
_CHUNK = b"x" * 65536


_ROOT = Path(__file__).parents[2]
_START_SECONDS = 30.0


class Manner(enum.Enum):
    """How a server handles each request."""

    HANGS = "accepts, and says nothing"
    DRIPS_HEAD = "sends a byte of the head now and then, without end"
    DRIPS_BODY = "sends a byte of the body now and then, without end"
    ENDLESS_BODY = "sends a body without end, as fast as it is read"
    ENDLESS_HEADERS = "sends header lines without end"
    LONG_HEADER = "sends one header line without end"
    INTERIM = "sends 100 Continue without end"
    CLOSES = "closes the connection without an answer"
    CUTS = "closes the connection within the body"
    REDIRECTS = "answers 302 to the metadata service"
    GARBAGE = "sends what is no HTTP"
    INJECTS = "an STS that gives out an access key id with a line break in it"
    ZIPPED = "sends a body that grows a thousandfold when it is unpacked"


_INJECTED = b"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>ASIAPLANTED&#10;credential_process = planted</AccessKeyId>
<SecretAccessKey>planted</SecretAccessKey><SessionToken>planted</SessionToken>
<Expiration>2099-01-01T00:00:00</Expiration></Credentials>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/a/b</Arn>
<AssumedRoleId>a:b</AssumedRoleId></AssumedRoleUser></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
_UNPACKED = zlib.compress(b"x" * 2_000_000, 9)
# The start, what follows endlessly, and the pause in seconds.
_WITHOUT_END: dict[Manner, tuple[bytes, bytes, float]] = {
    Manner.DRIPS_HEAD: (b"HTTP/1.1 200 OK\r\nX-A: ", b"a", 0.02),
    Manner.DRIPS_BODY: (_HEAD + b"Content-Length: 60000\r\n\r\n", b"x", 0.02),
    Manner.ENDLESS_BODY: (_HEAD + b"\r\n", _CHUNK, 0.0),
    Manner.ENDLESS_HEADERS: (_HEAD, b"X-A: a\r\n" * 100, 0.0),
    Manner.LONG_HEADER: (_HEAD + b"X-A: ", _CHUNK, 0.0),
    Manner.INTERIM: (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
}
_AT_ONCE: dict[Manner, bytes] = {
    Manner.CLOSES: b"",
    Manner.CUTS: _HEAD + b"Content-Length: 1000\r\n\r\n<Get",
    Manner.REDIRECTS: b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n"
    b"Content-Length: 0\r\n\r\n",
    Manner.INJECTS: _HEAD + b"Content-Length: %d\r\n\r\n" % len(_INJECTED) + _INJECTED,
    Manner.GARBAGE: b"\x00\x01planted\r\n\r\n",
    Manner.ZIPPED: _HEAD
    + b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(_UNPACKED)
    + _UNPACKED,
}


class Hostile:
    """One server; `connections` counts the connections to it."""

    def __init__(self, manner: Manner, *, tls: ssl.SSLContext | None = None) -> None:
        self._manner = manner
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self._changed = asyncio.Condition()
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its root URL."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}/"

    async def connected(self, count: int) -> None:
        """Wait for that number of connections."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.connections >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        async with self._changed:
            self._changed.notify_all()
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await reader.readuntil(b"\r\n\r\n")
                await self._misbehave(writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _misbehave(self, writer: asyncio.StreamWriter) -> None:
        if self._manner is Manner.HANGS:
            await asyncio.Event().wait()
        elif self._manner in _WITHOUT_END:
            await self._repeat(writer, *_WITHOUT_END[self._manner])
        else:
            await self._send(writer, _AT_ONCE[self._manner])

    async def _repeat(
        self, writer: asyncio.StreamWriter, head: bytes, part: bytes, pause: float
    ) -> None:
        await self._send(writer, head)
        while True:
            await self._send(writer, part)
            await asyncio.sleep(pause)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)


class HostileEndpoint:
    """`python -m testbed.clouds.hostile`: one manner over TLS; ends with the test."""

    def __init__(self, manner: Manner, *, directory: Path) -> None:
        self._manner = manner
        self._directory = directory
        self._process: ChildProcess | None = None

    def __enter__(self) -> Self:
        ready = self._directory / "ready.json"
        self._process = ChildProcess(
            f"hostile-{self._manner.name.lower()}",
            [
                *(sys.executable, "-m", "testbed.clouds.hostile"),
                *(f"--manner={self._manner.name}", f"--directory={self._directory}"),
            ],
            log=self._directory / "hostile.log",
            environment={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        self._process.wait_until(ready.exists, seconds=_START_SECONDS)
        self._ready = json.loads(ready.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()

    @property
    def host(self) -> str:
        """Address and port, in the format of `--allow-sts-endpoint`."""
        return f"127.0.0.1:{self._ready['port']}"

    @property
    def ca_file(self) -> Path:
        """The CA of its certificate."""
        return Path(self._ready["certificate"])


async def _serve(manner: Manner, directory: Path) -> None:
    authority = Authority(directory, name=f"hostile-{manner.name.lower()}")
    issued = authority.issue("hostile", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, keyfile=issued.key)
    async with Hostile(manner, tls=context) as hostile:
        to_api = {"port": hostile.port, "certificate": str(authority.certificate)}
        part = directory / "ready.part"
        part.write_text(json.dumps(to_api))
        part.rename(directory / "ready.json")
        await asyncio.Event().wait()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manner", choices=[manner.name for manner in Manner], required=True)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(_serve(Manner[options.manner], options.directory))


if __name__ == "__main__":
    main()
