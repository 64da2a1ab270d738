"""What a client of the proxy must not get through it, as bytes on a socket.

Rows of the first tables are refused, and nothing of them reaches the upstream. Rows of the last one
are forwarded without what would harm. In no case an answer, a log line or a metric has the key.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keywright.sidecar.proxy_rules import METHODS
from tests.unit.sidecar.test_proxy import _CANARY, Pod
from tests.unit.sidecar.test_signing import _SECRET
from tests.unit.sidecar.test_signing import Pod as SigningPod

_HOST = "Host: 127.0.0.1"
_MIB = 2**20
_MOST_SIGNED = 25 * _MIB


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and the statuses that refuse it."""

    name: str
    request: bytes
    statuses: frozenset[int]

    def __str__(self) -> str:
        """As part of the name of a test."""
        return self.name


def sent(line: str, *headers: str, body: bytes = b"", host: str = _HOST) -> bytes:
    """The bytes of a request."""
    lines = [line, *([host] if host else []), *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(name: str, target: str, *statuses: int) -> Row:
    """A GET of a target that is refused."""
    return Row(name, sent(f"GET {target} HTTP/1.1"), frozenset(statuses))


def headed(name: str, *headers: str, statuses: set[int]) -> Row:
    """A GET of an allowed path with headers that are refused."""
    return Row(name, sent("GET /v1/models HTTP/1.1", *headers), frozenset(statuses))


def posted(name: str, *headers: str, body: bytes = b"", statuses: set[int]) -> Row:
    """A POST to an allowed path with a body that is refused."""
    return Row(name, sent("POST /v1/a HTTP/1.1", *headers, body=body), frozenset(statuses))


_CL, _TE = "Content-Length: 4", "Transfer-Encoding: chunked"
SMUGGLING = [
    posted("CL and TE", _CL, _TE, body=b"0\r\n\r\n", statuses={400}),
    posted("TE and CL", _TE, _CL, body=b"0\r\n\r\n", statuses={400}),
    posted("two lengths", _CL, "Content-Length: 5", body=b"abcde", statuses={400}),
    posted("the same length twice", _CL, _CL, body=b"abcd", statuses={400}),
    posted("two lengths in one header", "Content-Length: 4, 5", body=b"abcde", statuses={400}),
    posted("a negative length", "Content-Length: -1", statuses={400}),
    posted("a length with a sign", "Content-Length: +4", body=b"abcd", statuses={400}),
    posted("a length in hex", "Content-Length: 0x4", body=b"abcd", statuses={400}),
    posted("a length with an exponent", "Content-Length: 1e3", statuses={400}),
    posted("a length that overflows", f"Content-Length: {2**70}", statuses={400}),
    posted("an empty length", "Content-Length:", statuses={400}),
    posted("another coding", "Transfer-Encoding: xchunked", statuses={400, 501}),
    posted("a coding before chunked", "Transfer-Encoding: gzip, chunked", statuses={400}),
    posted("chunked twice", "Transfer-Encoding: chunked, chunked", statuses={400}),
    posted("chunked is not the last", "Transfer-Encoding: chunked, identity", statuses={400}),
    posted("two codings", _TE, "Transfer-Encoding: identity", statuses={400}),
    posted("a blank before the colon", "Transfer-Encoding : chunked", statuses={400}),
    posted("a tab in the coding", "Transfer-Encoding: \x0bchunked", statuses={400}),
    posted("a chunk size that is no number", _TE, body=b"zz\r\nabcd\r\n", statuses={400, 502}),
    posted("a chunk size with 0x", _TE, body=b"0x4\r\nabcd\r\n0\r\n\r\n", statuses={400, 502}),
    posted("a negative chunk size", _TE, body=b"-4\r\nabcd\r\n", statuses={400, 502}),
    posted("a chunk size that overflows", _TE, body=b"f" * 40 + b"\r\n", statuses={400, 502}),
    posted("a chunk beyond its size", _TE, body=b"2\r\nabcd\r\n0\r\n\r\n", statuses={400, 502}),
]
LINES = [
    headed("a folded header", "X-A: a\r\n b", statuses={400}),
    headed("a bare LF in a header", "X-A: a\nX-B: b", statuses={400}),
    headed("a bare CR in a header", "X-A: a\rb", statuses={400}),
    headed("a NUL in a header's name", "X\x00A: a", statuses={400}),
    headed("a NUL in a header's value", "X-A: a\x00b", statuses={400}),
    headed("a header without a name", ": a", statuses={400}),
    headed("a header without a colon", "X-A", statuses={400}),
    headed("a blank in a header's name", "X A: a", statuses={400}),
    headed("a long header", f"X-A: {'a' * 20_000}", statuses={400, 431}),
    headed("a flood of headers", *(f"X-{n}: {'a' * 50}" for n in range(5000)), statuses={400, 431}),
    Row("no request line", b"NOT HTTP\r\n\r\n", frozenset({400})),
    Row("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", frozenset({400})),
    Row("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frozenset({400, 405, 421, 505})),
    Row("an unknown version", sent("GET /v1/models HTTP/9.9"), frozenset({400, 505})),
    Row("HTTP/0.9", b"GET /v1/models\r\n\r\n", frozenset({400, 421})),
]
TARGETS = [
    Row("CONNECT", sent("CONNECT example.com:443 HTTP/1.1"), frozenset({400, 404, 405})),
    Row("TRACE", sent("TRACE /v1/models HTTP/1.1"), frozenset({400, 405})),
    Row("OPTIONS of the server", sent("OPTIONS * HTTP/1.1"), frozenset({400, 404, 405})),
    Row("an invented method", sent("STEAL /v1/models HTTP/1.1"), frozenset({400, 405})),
    get("an absolute URI", "http://example.com/v1/models", 400, 404),
    get("an absolute URI of this proxy", "http://127.0.0.1/v1/models", 400, 404),
    get("another scheme", "file:///v1/models", 400, 404),
    get("a path with an authority", "//example.com/v1/models", 400, 404),
    get("no slash", "v1/models", 400, 404),
    get("another path", "/v2/models", 403),
    get("another case", "/V1/models", 403),
    get("the root", "/", 403),
    get("dot segments", "/v1/../v2/models", 400),
    get("encoded dots", "/v1/%2e%2e/v2", 400),
    get("dots in mixed encoding", "/v1/.%2E/v2", 400),
    get("encoded dots and slash", "/v1/..%2fv2", 400),
    get("double encoding", "/v1/%252e%252e/v2", 400),
    get("overlong UTF-8", "/v1/%c0%ae%c0%ae/v2", 400),
    get("a backslash", "/v1/..\\v2", 400),
    get("an encoded backslash", "/v1/..%5cv2", 400),
    get("a path parameter", "/v1/a;b/../c", 400),
    get("dots before a path parameter", "/v1/..;/v2", 400),
    get("an encoded NUL", "/v1/a%00", 400),
    get("an encoded line break", "/v1/a%0d%0aX-A:%20b", 400),
    get("a line break in the query", "/v1/a?b=%zz", 400),
    get("a fragment", "/v1/models#a", 400),
    get("a query with a backslash", "/v1/models?a=\\..\\b", 400),
    get("a query before the path", "?/v1/models", 400, 404),
    get("a long path", f"/v1/{'a' * 20_000}", 400, 414),
]
HOSTS = [
    Row("no Host", sent("GET /v1/models HTTP/1.1", host=""), frozenset({400, 421})),
    headed("two Hosts", "Host: example.com", statuses={400, 421}),
    *(
        Row(f"Host {name}", sent("GET /v1/models HTTP/1.1", host=f"Host: {name}"), frozenset(codes))
        for name, codes in {
            "example.com": {421},
            "169.254.169.254": {421},
            "127.0.0.1.example.com": {421},
            "127.0.0.1@example.com": {400, 421},
            "localhost:1@example.com": {400, 421},
            "0.0.0.0": {421},  # noqa: S104  a name that some systems route to the loopback address
            "2130706433": {421},
        }.items()
    ),
    posted("a page of another site", "Origin: https://example.com", statuses={403}),
    posted("a page without an origin", "Origin: null", statuses={403}),
    posted("a request across sites", "Sec-Fetch-Site: cross-site", statuses={403}),
]
ROWS = [*SMUGGLING, *LINES, *TARGETS, *HOSTS]


@pytest.fixture
async def pod(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Pod]:
    """A running proxy and its upstream; in the end no log line and no metric had the key."""
    caplog.set_level(logging.DEBUG)
    made = Pod(tmp_path)
    await made.server.start()
    await made.proxy.start(port=made.port)
    yield made
    assert _CANARY not in made.text_of_metrics()
    assert _CANARY not in caplog.text
    await made.client.close()
    await made.proxy.stop()
    await made.server.stop()


def status_of(answer: bytes) -> int:
    """The status of the first response."""
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_abuse_is_refused(pod: Pod, row: Row) -> None:
    """One response, an error, without the key; nothing complete reaches the upstream."""
    answer = await pod.raw(row.request)
    assert status_of(answer) in row.statuses, answer[:200]
    assert len(re.findall(rb"HTTP/\d\.\d \d{3} ", answer)) == 1
    assert _CANARY.encode() not in answer
    assert pod.server.requests == []


def test_the_table_is_complete() -> None:
    """At least thirty rows, each with a name of its own."""
    assert len({row.name for row in ROWS}) == len(ROWS) >= 30
    assert not METHODS & {"CONNECT", "TRACE", "OPTIONS"}


async def test_a_second_request_in_a_body_is_a_body(pod: Pod) -> None:
    """As many bytes as the length says belong to the first request."""
    hidden = sent("GET /v2/admin HTTP/1.1")
    request = sent("POST /v1/a HTTP/1.1", f"Content-Length: {len(hidden)}", body=hidden)
    assert status_of(await pod.raw(request)) == 200
    assert [body for _, _, body in pod.server.requests] == [hidden]


async def test_a_request_behind_a_refused_one_is_not_read(pod: Pod) -> None:
    """The connection is closed: its bytes may be the body of the first one."""
    refused = sent("POST /v2/a HTTP/1.1", "Content-Length: 2", body=b"{}")
    answer = await pod.raw(refused + sent("GET /v1/models HTTP/1.1"))
    assert status_of(answer) == 403
    assert pod.server.requests == []


_HOP_BY_HOP = [
    ("Connection: close, X-Secret", "X-Secret"),
    ("Connection: Authorization", "Connection"),
    ("Connection: Content-Length", "Connection"),
    ("Keep-Alive: timeout=5", "Keep-Alive"),
    ("Proxy-Authorization: Basic eDp5", "Proxy-Authorization"),
    ("Proxy-Connection: keep-alive", "Proxy-Connection"),
    ("TE: trailers", "TE"),
    ("Trailer: X-Secret", "Trailer"),
    ("Upgrade: h2c", "Upgrade"),
    ("Upgrade: websocket", "Upgrade"),
    ("Expect: 100-continue", "Expect"),
    ("Forwarded: for=10.0.0.1", "Forwarded"),
    ("Via: 1.1 other", "Via"),
    ("Cookie: session=1", "Cookie"),
    ("X-Api-Key: placeholder", "X-Api-Key"),
    ("Api-Key: placeholder", "Api-Key"),
    ("X-Amz-Security-Token: placeholder", "X-Amz-Security-Token"),
]


@pytest.mark.parametrize(("header", "dropped"), _HOP_BY_HOP, ids=lambda each: each)
async def test_headers_of_a_connection_and_credentials_are_dropped(
    pod: Pod, header: str, dropped: str
) -> None:
    """Whatever Connection names: the key and the length are always those of the proxy."""
    request = sent("POST /v1/a HTTP/1.1", "Content-Length: 2", "X-Secret: 1", header, body=b"{}")
    answer = await pod.raw(request)
    answer = answer.rpartition(b"100 Continue\r\n\r\n")[2] or answer
    assert status_of(answer) == 200
    ((_, received, body),) = pod.server.requests
    assert dropped not in received or dropped == "Connection"
    assert ("X-Secret" in received) is (header != "Connection: close, X-Secret")
    assert received["Authorization"] == f"Bearer {_CANARY}"
    assert body == b"{}"
    assert "placeholder" not in str(received)
    assert _CANARY.encode() not in answer


async def test_a_client_that_waits_for_100_continue_gets_it(pod: Pod) -> None:
    """Before its body, and before the final response; without it the request would end with 408."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pod.port)
    writer.write(sent("POST /v1/a HTTP/1.1", "Content-Length: 2", "Expect: 100-continue"))
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
        assert await reader.readexactly(2) == b"{}"
    writer.close()
    assert pod.server.requests[0][2] == b"{}"


async def test_a_refused_request_gets_no_100_continue(pod: Pod) -> None:
    """The client need not send a body that is not forwarded."""
    head = sent("POST /v2/a HTTP/1.1", "Content-Length: 2", "Expect: 100-continue")
    assert status_of(await pod.raw(head)) == 403


async def test_a_redirect_of_the_upstream_is_not_passed_on(pod: Pod) -> None:
    """Neither followed with the key, nor shown to the client."""
    answer = await pod.raw(sent("GET /v1/redirect HTTP/1.1"))
    assert status_of(answer) == 502
    assert b"example.com" not in answer
    assert len(pod.server.requests) == 1


@pytest.mark.parametrize(
    "head",
    [
        sent("POST /v1/upload HTTP/1.1", "Content-Length: 10", body=b"abc"),
        sent("POST /v1/upload HTTP/1.1", _TE, body=b"3\r\nabc\r\n"),
        sent("POST /v1/upload HTTP/1.1", _TE, body=b"a\r\nabc"),
    ],
    ids=["a length", "chunks", "a chunk"],
)
async def test_a_body_that_stops_arriving_ends_the_request(pod: Pod, head: bytes) -> None:
    """With 408, and the connection is closed."""
    assert status_of(await pod.raw(head)) == 408


@pytest.mark.parametrize(
    "part", [b"", b"GET", b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "]
)
async def test_headers_that_stop_arriving_end_the_connection(pod: Pod, part: bytes) -> None:
    """Without an answer; a connection whose first request was complete stays open."""
    assert await pod.raw(part) == b""
    async with pod.client.get(pod.url("/v1/stream")) as answer:
        # Longer than the time for the headers.
        await asyncio.sleep(0.5)
        pod.server.proceed.set()
        assert (await answer.read()).endswith(b"data: last\n\n")
    assert pod.server.requests[-1][0] == "/v1/stream"


@pytest.fixture
async def signing_pod(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[SigningPod]:
    """A proxy that signs for STS; in the end no log line had the secret key."""
    caplog.set_level(logging.DEBUG)
    made = SigningPod(tmp_path, scope="sts/us-west-2")
    await made.server.start()
    await made.proxy.start(port=made.port)
    yield made
    assert _SECRET not in caplog.text
    await made.client.close()
    await made.proxy.stop()
    await made.server.stop()


_SIGNED = {
    "a presigned URL": ("/?X-Amz-Signature=0&X-Amz-Credential=a", {}, b"x", 400),
    "a presigned URL in other letters": ("/?x-amz-credential=a", {}, b"x", 400),
    "an encoded name of a presigned URL": ("/?X-Amz-%53ignature=0", {}, b"x", 400),
    "a signed event stream": (
        "/",
        {"Content-Type": "application/vnd.amazon.eventstream"},
        b"x",
        400,
    ),
    "a body of signed chunks": ("/", {"Content-Encoding": "aws-chunked"}, b"x", 400),
    "a streaming signature": (
        "/",
        {"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
        b"x",
        400,
    ),
    "a streaming signature with a trailer": (
        "/",
        {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
        b"x",
        400,
    ),
    "a body beyond the limit": ("/", {}, b"x" * (_MOST_SIGNED + 1), 413),
}


@pytest.mark.parametrize("name", _SIGNED)
async def test_what_cannot_be_signed_is_refused(signing_pod: SigningPod, name: str) -> None:
    """Nothing of it reaches the server, and no credential is in the answer."""
    path, headers, body, status = _SIGNED[name]
    found, text = await signing_pod.post(path, headers=headers, body=body)
    assert found == status
    assert _SECRET not in text
    assert "ASIA" not in text
    assert signing_pod.server.requests == []
