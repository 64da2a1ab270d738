"""The guard of the HTTP edge: by the address at the moment of the connection, and by the proxy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override
from yarl import URL

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import Probe
from keywright.api.key_spec import ProbeMode
from keywright.clouds.addresses import Reach
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.aws.probes import ProbeContext, probe_http
from keywright.clouds.endpoints import AllowedUrls, Endpoints
from keywright.clouds.http import HttpClient, HttpResponse, Timeouts, TransportError
from testbed.clouds.hostile import Hostile, Manner
from tests.unit.clouds.aws.test_probe_addresses import CREDENTIAL

LIMITS = Timeouts(connect_seconds=1, read_seconds=1)
VENDOR = "http://sts.us-west-2.amazonaws.com"


class Rebinding(AbstractResolver):
    """Answers each question with the next address: a name server of the tenant's own."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.requested = 0

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.requested += 1
        address = self._addresses[min(self.requested, len(self._addresses)) - 1]
        found = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            ResolveResult(hostname=host, host=address, port=port, family=found, proto=0, flags=0)
        ]

    @override
    async def close(self) -> None:
        return None


def _no_proxy(url: URL) -> None:
    del url


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """The edge with the system's own resolver, and without a proxy."""
    made = HttpClient(proxy_of=_no_proxy)
    yield made
    await made.close()


async def _get(http: HttpClient, url: str, reach: Reach) -> HttpResponse:
    return await http.request("GET", url, limits=LIMITS, reach=reach, tenant="chat")


@pytest.mark.parametrize(
    ("reach", "address"),
    [
        (Reach.VENDOR, "127.0.0.1"),
        (Reach.VENDOR, "::1"),
        (Reach.VENDOR, "100.100.100.200"),
        (Reach.VENDOR, "fd00:ec2::254"),
        (Reach.LISTED, "169.254.169.254"),
        (Reach.LISTED, "64:ff9b::7f00:1"),
        (Reach.PUBLIC, "10.96.0.1"),
        (Reach.PUBLIC, "2002:a60:1::"),
    ],
)
async def test_a_name_that_leads_there_is_not_connected_to(reach: Reach, address: str) -> None:
    """Whatever the name is: the address decides, at the moment of the connection."""
    edge = HttpClient(resolver=Rebinding(address), proxy_of=_no_proxy)
    with pytest.raises(TransportError, match="does not connect to"):
        await _get(edge, f"{VENDOR}/", reach)
    await edge.close()


async def test_an_answer_that_changes_is_checked_each_time() -> None:
    """DNS rebinding: a public address for the first question, this machine for the next."""
    async with Hostile(Manner.REDIRECTS) as server:
        names = Rebinding("127.0.0.1")
        edge = HttpClient(resolver=names, proxy_of=_no_proxy)
        url = f"http://rebind.example.com:{server.port}/"
        for _ in range(2):
            with pytest.raises(TransportError, match="does not connect to"):
                await _get(edge, url, Reach.LISTED)
        assert (names.requested, server.connections) == (2, 0)
        await edge.close()


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost.", "LOCALHOST"),
        *("[::ffff:7f00:1]", "[::]", "0", "ip6-localhost"),
    ],
)
async def test_no_spelling_of_this_machine_gets_through(http: HttpClient, host: str) -> None:
    """Numbers in any base, short forms and names."""
    async with Hostile(Manner.REDIRECTS) as server:
        for reach in (Reach.PUBLIC, Reach.VENDOR):
            with pytest.raises(TransportError):
                await _get(http, f"http://{host}:{server.port}/", reach)
        assert server.connections == 0


async def test_why_a_tenants_host_gives_no_answer_is_not_told() -> None:
    """A closed port, an open one, a name that does not exist and a refused address look alike."""
    reported = set()
    for address in ("127.0.0.1", "10.0.0.1", "192.0.2.1"):
        edge = HttpClient(resolver=Rebinding(address), proxy_of=_no_proxy, longest_seconds=0.3)
        with pytest.raises(TransportError) as refused:
            await _get(edge, "http://scan.example.com:1/", Reach.PUBLIC)
        reported.add(str(refused.value))
        await edge.close()
    edge = HttpClient(proxy_of=_no_proxy)
    with pytest.raises(TransportError) as missing:
        await _get(edge, "http://scan.example.invalid:1/", Reach.PUBLIC)
    reported.add(str(missing.value).replace(".invalid", ".com"))
    await edge.close()
    assert len(reported) == 1


async def test_behind_a_proxy_only_listed_names_pass() -> None:
    """The proxy resolves the names, so that nothing else could be checked."""
    async with Hostile(Manner.REDIRECTS) as proxy:
        http = HttpClient(proxy_of=lambda url: proxy.url if url.host else None)
        for reach in (Reach.VENDOR, Reach.LISTED, Reach.OPERATOR):
            assert (await _get(http, f"{VENDOR}/", reach)).status == 302
        assert proxy.connections >= 1
        before = proxy.connections
        for url in ("http://scan.example.com/", "http://169.254.169.254/", "http://127.1/"):
            with pytest.raises(TransportError, match="does not connect to"):
                await _get(http, url, Reach.PUBLIC)
        for url in ("http://127.0.0.1:1/", "http://localhost/"):
            with pytest.raises(TransportError, match="does not connect to"):
                await _get(http, url, Reach.VENDOR)
        assert proxy.connections == before
        await http.close()


async def test_a_probe_repeats_status_and_error_code_alone(http: HttpClient) -> None:
    """Not the words of the answer: a page of the cluster's network would be readable by them."""
    body = b'{"message": "planted"}'
    head = b"HTTP/1.1 403 Forbidden\r\nX-Amzn-ErrorType: ForbiddenException:http://planted\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    calls = BotoClients(http=http)
    context = ProbeContext(calls=calls, http=http, endpoints=Endpoints(probes=AllowedUrls((url,))))
    with pytest.raises(Failure) as refused:
        await probe_http(
            Probe(mode=ProbeMode.HTTP, url=url), credential=CREDENTIAL, context=context
        )
    assert "answered 403 ForbiddenException." in refused.value.message_with_remedy()
    assert "planted" not in refused.value.message_with_remedy()
    server.close()
    calls.close()


@pytest.mark.parametrize(
    "endpoint",
    ["https://127.0.0.1", "https://kubernetes.default.svc", "https://10.0.0.1:6443", "https://sts"],
)
async def test_an_endpoint_that_nobody_listed_is_a_mistake_in_the_source(
    http: HttpClient, endpoint: str
) -> None:
    """One text for all, which names the field and the flag; nothing is sent or resolved."""
    calls = BotoClients(http=http)
    with pytest.raises(Failure) as refused:
        await calls.run(
            "sts",
            lambda client: client.get_caller_identity(),
            region="us-west-2",
            endpoint=endpoint,
            tenant="chat",
        )
    assert refused.value.kind is FailureClass.CONFIGURATION
    assert refused.value.field == "CredentialSource spec.aws.stsEndpoint"
    assert "--allow-sts-endpoint" in refused.value.remedy
    assert endpoint not in refused.value.message_with_remedy()
    calls.close()


async def test_a_proxy_that_never_answers_connect_is_left_within_the_timeouts() -> None:
    """CONNECT belongs to the connection: connectTimeout bounds it."""
    held: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    http = HttpClient(proxy_of=lambda url: f"http://127.0.0.1:{port}" if url.host else None)
    limits = Timeouts(connect_seconds=0.3, read_seconds=20)
    try:
        async with asyncio.timeout(3):
            with pytest.raises(TransportError, match="in time"):
                await http.request(
                    "GET",
                    "https://sts.cn-hangzhou.aliyuncs.com/",
                    limits=limits,
                    reach=Reach.VENDOR,
                    tenant="chat",
                )
    finally:
        await http.close()
        for writer in held:
            writer.close()
        server.close()
