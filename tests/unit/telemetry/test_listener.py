"""Strangers who connect to the operator's ports leave room for scrapers and probes."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from keywright.cluster.access_reviews import AccessReviews
from keywright.telemetry.certificates import ServingCertificate
from keywright.telemetry.http import MetricsListener, TelemetryServer
from keywright.telemetry.listener import ConnectionLimits
from tests.unit.fakes.clock import FakeMonotonic
from tests.unit.fakes.kubernetes import KubernetesInMemory

LIMITS = ConnectionLimits(most=12, most_of_address=4, handshake_seconds=0.5, write_seconds=0.5)
REQUEST_SECONDS = 0.5
GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Ports:
    """A server with both listeners, and the strangers who connect to it."""

    def __init__(self, *, limits: ConnectionLimits = LIMITS, body: bytes = b"metric 1\n") -> None:
        reviews = AccessReviews(KubernetesInMemory(), path="/metrics", monotonic=FakeMonotonic())

        self._writers: list[asyncio.StreamWriter] = []

        async def authorize(header: str | None) -> int:
            return 200 if header is None else (await reviews.check(header)).value

        self.server = TelemetryServer(
            host="127.0.0.1",
            port=0,
            live=str,
            ready=str,
            metrics=lambda: body,
            listener=MetricsListener(
                "127.0.0.1",
                0,
                certificate=ServingCertificate(None, host="a", now=datetime.now(UTC)),
                authorize=authorize,
            ),
            limits=limits,
            request_seconds=REQUEST_SECONDS,
        )

    async def connect(self, port: int, *, tls: bool = False, of: str = "127.0.0.1") -> Stream:
        """A connection from the address `of`."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context if tls else None, local_addr=(of, 0)
        )
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        """End all."""
        for writer in self._writers:
            writer.transport.abort()
        await self.server.stop()

    async def ask(
        self, path: bytes, *, header: bytes = b"", of: str = "127.0.0.1", port: int = 0
    ) -> int:
        """The status of an answer; 0 where the connection was closed."""
        scrape = path == b"metrics"
        port = port or (self.server.metrics_address if scrape else self.server.address)[1]
        try:
            reader, writer = await self.connect(port, tls=scrape, of=of)
            writer.write(GET % (path, header))
            whole = await reader.read()
        except (OSError, ssl.SSLError):
            return 0
        writer.close()
        return int(whole.split()[1]) if whole else 0


@asynccontextmanager
async def ports(**options: ConnectionLimits | bytes) -> AsyncIterator[Ports]:
    """Listening."""
    made = Ports(**options)  # type: ignore[arg-type]
    await made.server.start()
    try:
        yield made
    finally:
        await made.close()


async def _closed(streams: list[Stream]) -> int:
    """How many of them the server closes."""

    async def is_closed(reader: asyncio.StreamReader) -> bool:
        try:
            return await reader.read() == b""
        except OSError:
            return True

    async with asyncio.timeout(10):
        return sum(await asyncio.gather(*(is_closed(reader) for reader, _ in streams)))


@pytest.mark.parametrize(
    "begin", [b"", b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 4000], ids=["idle", "half"]
)
@pytest.mark.parametrize("which", ["probes", "metrics", "handshake"])
async def test_a_connection_without_a_whole_request_is_closed(which: str, begin: bytes) -> None:
    """Whether it says nothing, half of a request, or does not begin TLS."""
    async with ports() as made:
        server = made.server
        port = (server.address if which == "probes" else server.metrics_address)[1]
        streams = [await made.connect(port, tls=which == "metrics") for _ in range(3)]
        for _, writer in streams:
            writer.write(b"" if which == "handshake" else begin)
        began = time.monotonic()
        assert await _closed(streams) == 3
        assert time.monotonic() - began < 5


async def test_an_address_has_few_connections() -> None:
    """More are closed at once; another address is served meanwhile."""
    patient = ConnectionLimits(most=12, most_of_address=4, handshake_seconds=60)
    async with ports(limits=patient) as made:
        port = made.server.metrics_address[1]
        for _ in range(4):
            await made.connect(port)
        assert await made.ask(b"metrics") == 0
        assert await made.ask(b"metrics", of="127.0.0.2") == 200


async def test_strangers_starve_neither_a_scraper_nor_the_probes() -> None:
    """The address with the most connections loses one; the listeners have separate limits."""
    patient = ConnectionLimits(most=12, most_of_address=4, handshake_seconds=60)
    async with ports(limits=patient) as made:
        port = made.server.metrics_address[1]
        strangers = [
            await made.connect(port, of=f"127.0.0.{address}")
            for address in (3, 4, 5)
            for _ in range(4)
        ]
        assert await made.ask(b"livez") == 200
        for _ in range(3):
            assert await made.ask(b"metrics") == 200
        assert len(strangers) == 12


async def test_whoever_does_not_read_the_answer_is_cut_off() -> None:
    """A body that fills the buffers would hold the connection without end."""
    async with ports(body=b"x" * 20_000_000) as made:
        _, writer = stream = await made.connect(made.server.metrics_address[1], tls=True)
        stream[0]._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % (b"metrics", b""))
        listener = made.server._sites[-1].listener
        await _until(lambda: len(listener._open) == 1)
        await _until(lambda: not listener._open)
        writer.transport.abort()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  there is no event of another's connections
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "header",
    [b"Authorization: Bearer \xff\xfe\r\n", b"Authorization: Bearer \xc3\xb6\r\n"],
)
async def test_a_token_that_is_no_ascii_is_refused(
    header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """401, not 500 with a traceback."""
    async with ports() as made:
        assert await made.ask(b"metrics", header=header) == 401
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("raw", [b"\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"X: y\r\n\r\n"])
async def test_a_malformed_request_leaves_nothing_in_the_log(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Strangers could fill it with tracebacks."""
    with caplog.at_level(logging.INFO):
        async with ports() as made:
            reader, writer = await made.connect(made.server.address[1])
            writer.write(raw)
            assert b" 400 " in await reader.read()
            writer.close()
    assert not caplog.records
