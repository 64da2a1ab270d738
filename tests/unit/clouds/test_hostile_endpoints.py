"""A hostile endpoint costs bounded time and bounded memory, in every caller."""

from __future__ import annotations

import asyncio
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError, SSLError
from botocore.parsers import ResponseParserError

from keywright.api.errors import FailureClass
from keywright.clouds.addresses import Reach
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.aws.sts.errors import failure_from_session
from keywright.clouds.endpoints import AllowedUrls, Endpoints
from keywright.clouds.http import HttpClient, Timeouts, TransportError
from testbed.certificates import Authority
from testbed.clouds.hostile import Hostile, Manner
from tests.unit.clouds.aws.contexts import bare

# The operator's ceiling in these tests; a source asks for far more.
CEILING = 0.4
# What a machine that is busy with other tests may take beside the limits.
_BUSY_SECONDS = 30
PATIENT = Timeouts(connect_seconds=300, read_seconds=300)
MOST_MEMORY = 8 * 1024 * 1024
ANSWERED = {Manner.REDIRECTS, Manner.ZIPPED, Manner.INJECTS}


@asynccontextmanager
async def _clients(
    *servers: Hostile, longest_seconds: float = CEILING
) -> AsyncIterator[tuple[BotoClients, HttpClient]]:
    """Clients that may reach the servers; whatever fails, no connection and no thread is left.

    A thread that outlives the test would use its event loop, and fail another test.
    """
    http = HttpClient(longest_seconds=longest_seconds)
    allowed = Endpoints(sts=AllowedUrls(tuple(server.url for server in servers)))
    calls = BotoClients(http=http, endpoints=allowed, threads=2)
    try:
        yield calls, http
    finally:
        calls.close()
        await http.close()
        await asyncio.to_thread(calls._pool.shutdown)


@asynccontextmanager
async def _aws(hostile: Hostile) -> AsyncIterator[BotoClients]:
    async with _clients(hostile) as (calls, _):
        yield calls


@pytest.mark.parametrize("manner", Manner)
async def test_a_call_ends_in_time_and_in_little_memory(manner: Manner) -> None:
    """The total deadline is the operator's, though the source's own timeouts say five minutes."""
    http = HttpClient(longest_seconds=CEILING)
    tracemalloc.start()
    try:
        async with Hostile(manner) as hostile:
            began = time.monotonic()
            try:
                answer = await http.request(
                    "GET", hostile.url, limits=PATIENT, reach=Reach.LISTED, tenant="chat"
                )
                size, reported = len(answer.body), ""
            except TransportError as error:
                size, reported = None, str(error)
            assert (size is not None) is (manner in ANSWERED)
            assert (size or 0) <= 64 * 1024
            assert "planted" not in reported
            assert len(reported) < 4096
            assert time.monotonic() - began < CEILING + _BUSY_SECONDS
            # aiohttp repeats a GET once on a connection that was closed; no other method.
            assert hostile.connections <= 2
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
        await http.close()


@pytest.mark.parametrize("manner", Manner)
async def test_an_sts_endpoint_that_misbehaves_is_a_passing_failure(manner: Manner) -> None:
    """Every manner is classified, also where botocore's exception carries `response=None`."""
    async with Hostile(manner) as hostile, _aws(hostile) as calls:
        began = time.monotonic()
        with pytest.raises(Exception) as raised:  # noqa: PT011  whatever it is
            await calls.run(
                "sts",
                lambda client: client.get_caller_identity()["Arn"],
                region="us-west-2",
                endpoint=hostile.url,
                tenant="chat",
            )
        # Three attempts, and botocore's pauses between them; some endpoints never end.
        assert time.monotonic() - began < 3 * CEILING + _BUSY_SECONDS
    failure = failure_from_session(raised.value)
    assert failure.kind is FailureClass.TRANSIENT
    assert "planted" not in failure.message_with_remedy()
    assert not failure.no_side_effect


@pytest.mark.parametrize(("attempts", "sent"), [(1, 1), (3, 3)])
async def test_what_must_not_be_repeated_is_sent_once(attempts: int, sent: int) -> None:
    """`attempts=1`: no retry of botocore's and none of aiohttp's."""
    async with Hostile(Manner.CLOSES) as hostile, _aws(hostile) as calls:
        with pytest.raises(ConnectionClosedError):
            await calls.run(
                "sts",
                lambda client: client.get_caller_identity(),
                region="us-west-2",
                endpoint=hostile.url,
                tenant="chat",
                attempts=attempts,
                session=bare(),
            )
        assert hostile.connections == sent


async def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    """TLS is checked by the same edge, and the failure says so."""
    issued = Authority(tmp_path).issue("sts", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, keyfile=issued.key)
    async with Hostile(Manner.HANGS, tls=context) as hostile, _aws(hostile) as calls:
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            await calls.run(
                "sts",
                lambda client: client.get_caller_identity(),
                region="us-west-2",
                endpoint=hostile.url,
                tenant="chat",
            )


async def test_a_flood_of_slow_calls_does_not_delay_another_namespace() -> None:
    """Forty calls of one namespace hang; the first of another starts at once, for AWS as well."""
    async with (
        Hostile(Manner.HANGS) as hostile,
        Hostile(Manner.REDIRECTS) as quick,
        _clients(hostile, quick, longest_seconds=30) as (calls, http),
    ):

        async def call(url: str, tenant: str) -> None:
            await calls.run(
                "sts",
                lambda client: client.get_caller_identity(),
                region="us-west-2",
                endpoint=url,
                tenant=tenant,
            )

        async def fetch(url: str, tenant: str) -> None:
            await http.request("GET", url, limits=PATIENT, reach=Reach.LISTED, tenant=tenant)

        flood = [
            asyncio.create_task(each)
            for _ in range(40)
            for each in (call(hostile.url, "flood"), fetch(hostile.url, "flood"))
        ]
        try:
            async with asyncio.timeout(20):
                await hostile.connected(2 + 32)
            began = time.monotonic()
            with pytest.raises(ResponseParserError):
                await call(quick.url, "honest")
            await fetch(quick.url, "honest")
            # The flood holds what it has for 30 s, on a busy machine as well.
            assert time.monotonic() - began < 10
        finally:
            for task in flood:
                task.cancel()
            await asyncio.gather(*flood, return_exceptions=True)


async def test_clients_of_many_endpoints_are_not_kept() -> None:
    """A client is 150 KiB: a tenant that names a new endpoint every second fills no memory."""
    async with (
        Hostile(Manner.REDIRECTS) as server,
        _clients(server, longest_seconds=60) as (calls, _),
    ):
        for number in range(70):
            with pytest.raises(ResponseParserError):
                await calls.run(
                    "sts",
                    lambda client: client.get_caller_identity(),
                    region="us-west-2",
                    endpoint=f"{server.url}{number}",
                    tenant="chat",
                )
        assert calls.clients == 64
