"""Informational (1xx) responses before an answer: a few are skipped, a flood of them is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from keywright.clouds.addresses import Reach
from keywright.clouds.http import HttpClient, HttpResponse, Timeouts, TransportError

_LIMITS = Timeouts(connect_seconds=5, read_seconds=5, total_seconds=10)
_INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def _serving(answer: bytes) -> AsyncIterator[tuple[HttpClient, str, list[int]]]:
    """A server that gives each request this answer, whole; and the number of its connections."""
    connections = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    http = HttpClient()
    http.warm_up()
    try:
        yield http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", connections
    finally:
        await http.close()
        server.close()


async def _ask(http: HttpClient, url: str, *, reach: Reach = Reach.LISTED) -> HttpResponse:
    return await http.request("GET", url, limits=_LIMITS, reach=reach, tenant="chat")


async def test_a_flood_is_refused_at_once() -> None:
    """Before the deadline, in little time of the event loop, and without another attempt."""
    async with _serving(_INTERIM * 200_000) as (http, url, connections):
        cpu = time.process_time()
        with pytest.raises(TransportError):
            await _ask(http, url)
        assert time.process_time() - cpu < 5
        assert connections == [1]


@pytest.mark.parametrize(("interim", "answered"), [(0, True), (8, True), (9, False)])
async def test_a_few_are_skipped(interim: int, *, answered: bool) -> None:
    """As clients must (RFC 9110, 15.2)."""
    async with _serving(_INTERIM * interim + _ANSWER) as (http, url, _):
        if answered:
            assert (await _ask(http, url)).body == b"ok"
        else:
            with pytest.raises(TransportError):
                await _ask(http, url)


async def test_each_request_of_a_connection_is_counted_by_itself() -> None:
    """A vendor's host that sends some with each answer stays usable on one connection."""
    async with _serving(_INTERIM * 5 + _ANSWER) as (http, url, connections):
        for _ in range(4):
            assert (await _ask(http, url, reach=Reach.OPERATOR)).body == b"ok"
        assert connections == [1]
