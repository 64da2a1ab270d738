"""The proxy between a client with a placeholder and a server that wants the real key."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import generate_latest

from keywright.sidecar.mounted_key import BEARER_FILES, MountedKey
from keywright.sidecar.proxy import KeyProxy, ProxyMonitor
from keywright.sidecar.proxy_metrics import ProxyMetrics
from keywright.sidecar.proxy_rules import KeyHeader, upstream_from
from testbed.processes import free_port

_CANARY = "canary-9f3b2c"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Server:
    """The upstream: it accepts some keys, and keeps what it has received."""

    def __init__(self) -> None:
        self.port = free_port()
        self.keys: set[str] | None = {_CANARY}
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.proceed = asyncio.Event()
        self.refused = asyncio.Event()
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True)

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        """Close all connections."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v1/upload":
            return await self._take(request)
        body = await request.read()
        self.requests.append((request.raw_path, dict(request.headers), body))
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.keys is not None and key not in self.keys:
            self.refused.set()
            return web.json_response({"message": "Authentication failed"}, status=403)
        answers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "/v1/stream": self._stream,
            "/v1/broken": self._break,
        }
        if request.path in answers:
            return await answers[request.path](request)
        if request.path == "/v1/redirect":
            return web.Response(status=302, headers={"Location": "https://example.com/"})
        if request.path == "/v1/zipped":
            headers = {"Content-Encoding": "gzip"}
            return web.Response(body=gzip.compress(b"zipped"), headers=headers)
        return web.Response(body=body or b"empty", headers={"Set-Cookie": "a=b", "X-Id": "1"})

    async def _take(self, request: web.Request) -> web.StreamResponse:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            self.arrived.put_nowait(chunk)
        return web.json_response({"size": size})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await self.proceed.wait()
        await response.write(b"data: last\n\n")
        return response

    async def _break(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half of ")
        assert request.transport is not None
        request.transport.abort()
        return response


class Pod:
    """The proxy beside a client, with a mounted key."""

    def __init__(self, directory: Path) -> None:
        self.now = NOW
        self.directory = directory
        self.server = Server()
        self.metrics = ProxyMetrics()
        self.port = free_port()
        self.client = aiohttp.ClientSession(auto_decompress=False)
        self.proxy = self.new_proxy()
        self.put(_CANARY)

    def new_proxy(self, *, most_requests: int = 8, body_idle_seconds: float = 0.3) -> KeyProxy:
        """A proxy that is not started."""
        return KeyProxy(
            upstream_from(
                f"http://127.0.0.1:{self.server.port}", paths=["/v1/**"], header=KeyHeader.BEARER
            ),
            keys=MountedKey(self.directory, names=BEARER_FILES, clock=lambda: self.now),
            metrics=self.metrics,
            tls=ssl.create_default_context(),
            most_requests=most_requests,
            body_idle_seconds=body_idle_seconds,
            head_seconds=0.3,
        )

    def put(self, key: str, *, name: str = "AWS_BEARER_TOKEN_BEDROCK") -> None:
        """Replace the file, as the kubelet does."""
        draft = self.directory / "draft"
        draft.write_text(key)
        draft.replace(self.directory / name)

    def url(self, path: str) -> str:
        """The path at the proxy."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def get(self, path: str = "/v1/models") -> tuple[int, bytes]:
        """Status and body."""
        async with self.client.get(self.url(path)) as answer:
            return answer.status, await answer.read()

    async def raw(self, text: bytes) -> bytes:
        """Everything that the proxy answers to these bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        async with asyncio.timeout(10):
            answer = await reader.read(4096)
        writer.close()
        return answer

    def text_of_metrics(self) -> str:
        """As Prometheus reads them."""
        return generate_latest(self.metrics.registry).decode()


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    """A running proxy and its upstream; in the end no answer, log line or metric had the key."""
    made = Pod(tmp_path)
    await made.server.start()
    await made.proxy.start(port=made.port)
    yield made
    assert _CANARY not in made.text_of_metrics()
    await made.client.close()
    await made.proxy.stop()
    await made.server.stop()


async def test_the_placeholder_is_replaced_by_the_key(pod: Pod) -> None:
    """The upstream gets its own name as Host, and the real key."""
    headers = {"Authorization": "Bearer placeholder", "X-Api-Key": "placeholder", "X-Custom": "1"}
    async with pod.client.post(pod.url("/v1/chat?a=b%20c"), data=b"{}", headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, b"{}")
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["X-Id"] == "1"
        assert _CANARY not in str(answer.headers)
    ((path, received, body),) = pod.server.requests
    assert (path, body) == ("/v1/chat?a=b%20c", b"{}")
    assert received["Authorization"] == f"Bearer {_CANARY}"
    assert received["Host"] == f"127.0.0.1:{pod.server.port}"
    assert received["X-Custom"] == "1"
    assert "X-Api-Key" not in received


async def test_a_new_key_is_used_at_once(pod: Pod) -> None:
    """The client never changes."""
    assert (await pod.get())[0] == 200
    pod.server.keys = {"second"}
    pod.put("second")
    assert (await pod.get())[0] == 200
    assert [headers["Authorization"] for _, headers, _ in pod.server.requests] == [
        f"Bearer {_CANARY}",
        "Bearer second",
    ]


async def test_a_request_is_repeated_if_its_key_was_replaced_meanwhile(pod: Pod) -> None:
    """Once, and with its body."""
    pod.server.keys = {"second"}
    original = pod.server.refused.set

    def refuse() -> None:
        pod.put("second")
        original()

    pod.server.refused.set = refuse  # type: ignore[method-assign]
    async with pod.client.post(pod.url("/v1/chat"), data=b"question") as answer:
        assert (answer.status, await answer.read()) == (200, b"question")
    assert [body for _, _, body in pod.server.requests] == [b"question", b"question"]
    assert "keywright_proxy_repeated_total 1.0" in pod.text_of_metrics()


async def test_a_refusal_of_the_current_key_reaches_the_client(pod: Pod) -> None:
    """The same key would be refused again."""
    pod.server.keys = set()
    status, body = await pod.get()
    assert (status, b"Authentication failed" in body) == (403, True)
    assert len(pod.server.requests) == 1


async def test_a_large_body_is_not_repeated(pod: Pod) -> None:
    """It was not kept: the client gets the refusal."""
    pod.server.keys = {"second"}
    pod.server.refused.set = lambda: pod.put("second")  # type: ignore[method-assign]
    async with pod.client.post(pod.url("/v1/chat"), data=b"x" * 600_000) as answer:
        assert answer.status == 403
    assert len(pod.server.requests) == 1


async def test_the_first_event_arrives_before_the_last_is_sent(pod: Pod) -> None:
    """And the key may be replaced meanwhile."""
    async with pod.client.get(pod.url("/v1/stream")) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        async with asyncio.timeout(5):
            assert await answer.content.readany() == b"data: first\n\n"
        pod.put("second")
        pod.server.proceed.set()
        assert await answer.read() == b"data: last\n\n"


async def test_an_upload_arrives_while_it_is_sent(pod: Pod) -> None:
    """Chunk by chunk, without its length in advance."""
    more = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await more.wait()
        yield b"last"

    async def send() -> object:
        async with pod.client.post(pod.url("/v1/upload"), data=body()) as answer:
            return await answer.json()

    pod.proxy._body_idle = 60
    sending = asyncio.create_task(send(), name="upload")
    async with asyncio.timeout(5):
        assert await pod.server.arrived.get() == b"first"
    more.set()
    assert await sending == {"size": 9}


async def test_an_upload_of_fifty_megabytes(pod: Pod) -> None:
    """It is not held in memory, and has the length that the client announced."""
    size = 50 * 2**20
    async with pod.client.post(pod.url("/v1/upload"), data=io.BytesIO(b"x" * size)) as answer:
        assert await answer.json() == {"size": size}


async def test_compressed_responses_stay_as_they_are(pod: Pod) -> None:
    """Their length and encoding are those of the upstream."""
    async with pod.client.get(pod.url("/v1/zipped")) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == b"zipped"


async def test_head_has_no_body(pod: Pod) -> None:
    """The connection can be used again."""
    async with pod.client.head(pod.url("/v1/models")) as answer:
        assert answer.status == 200
    assert (await pod.get())[0] == 200


async def test_a_response_that_breaks_off_does_not_look_complete(pod: Pod) -> None:
    """The client's connection is cut as well."""
    async with pod.client.get(pod.url("/v1/broken")) as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_redirects_are_not_followed(pod: Pod) -> None:
    """The key would reach another host, and the client must not learn a way past the proxy."""
    async with pod.client.get(pod.url("/v1/redirect"), allow_redirects=False) as answer:
        assert answer.status == 502
        assert "Location" not in answer.headers
        assert "redirects" in (await answer.json())["message"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "none of the files"), ("", "holds no key"), ("two words", "holds no key")],
)
async def test_without_a_key_the_answer_is_503(
    pod: Pod, content: str | None, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is logged once, and the next key works."""
    (pod.directory / "AWS_BEARER_TOKEN_BEDROCK").unlink()
    if content is not None:
        pod.put(content)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            status, body = await pod.get()
            assert status == 503
            assert says in body.decode()
    assert len([line for line in caplog.messages if "no key" in line]) == 1
    assert not pod.proxy.is_ready
    pod.put(_CANARY)
    assert (await pod.get())[0] == 200


async def test_an_expired_key_is_not_sent(pod: Pod) -> None:
    """If the Secret says when the key expires."""
    pod.put("2026-11-27T13:00:00Z", name="expiresAt")
    assert (await pod.get())[0] == 200
    pod.now += timedelta(hours=1)
    status, body = await pod.get()
    assert (status, b"has expired" in body) == (503, True)


async def test_an_unreachable_upstream_is_a_502(pod: Pod) -> None:
    """By the class of the error alone."""
    await pod.server.stop()
    status, body = await pod.get()
    assert (status, b"the upstream failed: Client" in body) == (502, True)


async def test_requests_beyond_the_limit_get_503(pod: Pod) -> None:
    """Those that are in progress go on."""
    async with asyncio.timeout(10):
        streams = [await pod.client.get(pod.url("/v1/stream")) for _ in range(8)]
        status, body = await pod.get()
        assert (status, b"more than 8 requests" in body) == (503, True)
        pod.server.proceed.set()
        for stream in streams:
            assert (await stream.read()).endswith(b"data: last\n\n")
    assert (await pod.get())[0] == 200


async def test_a_unix_socket_serves_as_well(pod: Pod, tmp_path: Path) -> None:
    """For pods in which other containers must not use the key."""
    proxy = pod.new_proxy()
    socket = tmp_path / "proxy.sock"
    await proxy.start(port=None, socket=socket)
    connector = aiohttp.UnixConnector(path=str(socket))
    async with (
        aiohttp.ClientSession(connector=connector) as client,
        client.get("http://localhost/v1/models") as answer,
    ):
        assert answer.status == 200
    await proxy.stop()


async def test_readiness_and_metrics_have_a_port_of_their_own(pod: Pod) -> None:
    """The kubelet cannot reach the loopback address of a pod."""
    port = free_port()
    monitor = ProxyMonitor(pod.proxy, metrics=pod.metrics, port=port)
    await monitor.start()
    assert (await pod.get())[0] == 200
    async with pod.client.get(f"http://127.0.0.1:{port}/readyz") as answer:
        assert answer.status == 200
    async with pod.client.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text = await answer.text()
    assert 'keywright_proxy_requests_total{code="2xx"} 1.0' in text
    (pod.directory / "AWS_BEARER_TOKEN_BEDROCK").unlink()
    async with pod.client.get(f"http://127.0.0.1:{port}/readyz") as answer:
        assert answer.status == 503
    await monitor.stop()
