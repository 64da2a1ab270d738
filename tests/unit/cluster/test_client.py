"""Requests to an API server that is a few lines of aiohttp in the same loop."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.client import METADATA_LIST, KubernetesClient, audiences_of
from keywright.cluster.connection import Connection
from testbed.certificates import Authority

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Token:
    """An authorization that gives one header after the other."""

    def __init__(self, *headers: str | None) -> None:
        self._headers = list(headers)

    async def header(self) -> str | None:
        """The next one; the last one stays."""
        return self._headers.pop(0) if len(self._headers) > 1 else self._headers[0]

    async def renewed(self, refused: str | None) -> bool:
        """Whether another is left."""
        return self._headers[0] != refused


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """The address of a server that answers everything by `handler`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def connection(server: str, *headers: str | None) -> Connection:
    """To that server, with these headers in turn."""
    return Connection(
        server=server,
        ssl_context=ssl.create_default_context(),
        authorization=Token(*headers or (None,)),
        proxy=None,
    )


@asynccontextmanager
async def client_of(handler: Handler, *headers: str | None) -> AsyncIterator[KubernetesClient]:
    """A client of a server."""
    async with serving(handler) as server:
        client = KubernetesClient(connection(server, *headers), connections=2)
        try:
            yield client
        finally:
            await client.close()


async def test_a_request_says_what_it_is() -> None:
    """Each request has its method, body, content types and current credentials."""
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.path_qs, await request.text(), dict(request.headers)))
        return web.json_response({"ok": True})

    async with client_of(handler, "Bearer a", "Bearer b") as client:
        assert await client.request("PATCH", "/a?b=c", body={"d": 1}, content_type="x/y") == {
            "ok": True
        }
        await client.request("GET", "/", accept="z/z")
    (method, path, body, headers), (_, _, empty, later) = seen
    assert (method, path, body) == ("PATCH", "/a?b=c", '{"d":1}')
    assert (headers["Content-Type"], headers["Authorization"]) == ("x/y", "Bearer a")
    assert (later["Accept"], later["Authorization"], empty) == ("z/z", "Bearer b", "")


async def test_a_client_certificate_needs_no_header() -> None:
    """None is sent where there is no token."""

    async def handler(request: web.Request) -> web.Response:
        return web.json_response("Authorization" in request.headers)

    async with client_of(handler) as client:
        assert await client.request("GET", "/") is False


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, '{"kind":"Status","reason":"NotFound","message":"gone"}', "404 NotFound: gone"),
        (409, '{"reason":"Conflict","message":"changed"}', "409 Conflict: changed"),
        (400, "plain words", "400 : plain words"),
        (502, '["a list"]', '502 : ["a list"]'),
        (500, "x" * 999, "500 : " + "x" * 200),
        (503, "", "503 : "),
    ],
)
async def test_an_answer_that_says_no_is_an_error(status: int, body: str, expected: str) -> None:
    """With the server's own reason and message; from a proxy, the beginning of what it says."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async with client_of(handler) as client:
        with pytest.raises(ApiError) as raised:
            await client.request("GET", "/")
    assert str(raised.value) == expected
    assert raised.value.is_missing is (status == 404)
    assert raised.value.is_conflict is (status == 409)


async def test_a_server_that_is_slow_is_unreachable() -> None:
    """After the seconds that were given; what was asked may have been done."""
    answer_now = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await answer_now.wait()
        return web.json_response({})

    async with client_of(handler) as client:
        with pytest.raises(ApiUnreachableError, match="PUT /lease: "):
            await client.request("PUT", "/lease", seconds=0.01)
        answer_now.set()


async def test_a_server_that_is_gone_is_unreachable() -> None:
    """Refused and cut connections are reported with method and path only, which hold no secret."""

    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with client_of(cut) as client:
        with pytest.raises(ApiUnreachableError, match="GET /a"):
            await client.request("GET", "/a")
    async with serving(cut) as server:
        pass
    client = KubernetesClient(connection(server))
    with pytest.raises(ApiUnreachableError, match="GET /b"):
        await client.request("GET", "/b")
    await client.close()


async def test_a_collection_is_read_page_by_page() -> None:
    """Five hundred at a time, as metadata, with the selector on every page; uids likewise."""
    seen: list[tuple[dict[str, str], str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((dict(request.query), request.headers["Accept"]))
        page = len(seen)
        items = [{"metadata": {"uid": f"{page}-{number}", "a": {}}} for number in range(2)]
        following = {"continue": f"page{page + 1}"} if page < 3 else {}
        return web.json_response({"metadata": following, "items": items if page != 2 else None})

    first = {"limit": "500", "labelSelector": "a=b"}
    async with client_of(handler) as client:
        for found in (
            (item["metadata"]["uid"] async for item in client.items("/s", selector="a=b")),
            client.uids("/s", selector="a=b"),
        ):
            assert [uid async for uid in found] == ["1-0", "1-1", "3-0", "3-1"]
            assert [query for query, _ in seen] == [
                first,
                first | {"continue": "page2"},
                first | {"continue": "page3"},
            ]
            assert {accept for _, accept in seen} == {METADATA_LIST}
            seen.clear()


async def test_a_watch_never_sees_the_value_of_a_secret() -> None:
    """Kopf's session asks for metadata of Secrets, and its empty lists are lists."""
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers["Accept"], request.headers["Authorization"]))
        return web.json_response({"items": None})

    async with serving(handler) as server:
        session = connection(server, "Bearer a", "Bearer b").watch_session(connections=1)
        async with session:
            for path in ("/api/v1/secrets", "/api/v1/secrets?watch=true", "/apis/x/apikeygrants"):
                async with session.get(server + path) as answer:
                    assert await answer.json() == {"items": []}
    kinds = [accept.partition(";as=")[2].partition(";")[0] for _, accept, _ in seen]
    assert kinds == ["PartialObjectMetadataList", "PartialObjectMetadata", ""]
    assert [header for _, _, header in seen] == ["Bearer a", "Bearer b", "Bearer b"]


@pytest.mark.parametrize(
    ("claims", "audiences"),
    [
        ({"aud": ["https://api", "k3s"]}, {"https://api", "k3s"}),
        ({"aud": "https://api"}, {"https://api"}),
        ({"sub": "me"}, set()),
        ([], set()),
    ],
)
def test_the_audiences_of_our_own_token_are_known(claims: object, audiences: set[str]) -> None:
    """One or several, as RFC 7519 lets the claim be written."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert audiences_of(f"Bearer h.{payload}.s") == audiences


@pytest.mark.parametrize(
    "header", ["", "Bearer opaque", "Basic a.b", "Bearer a.%.c", "Bearer a.e.c"]
)
def test_a_token_that_is_no_jwt_has_no_audiences(header: str) -> None:
    """Such as that of a static file; the usual name of the API server is refused all the same."""
    assert audiences_of(header) == frozenset()


async def test_a_token_that_was_refused_is_replaced_at_once() -> None:
    """After 401 a request is repeated with what the file says now, and only then is it refused."""
    shown: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"])
        return web.json_response({}, status=200 if shown[-1] == "Bearer new" else 401)

    async with client_of(handler, "Bearer old", "Bearer new") as client:
        await client.request("GET", "/version")
    async with client_of(handler, "Bearer old") as client:
        with pytest.raises(ApiError, match="401"):
            await client.request("GET", "/version")
    assert shown == ["Bearer old", "Bearer new", "Bearer old"]


async def test_a_watch_goes_on_with_a_token_that_has_rotated() -> None:
    """The session of the watches does the same."""
    shown: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"])
        return web.json_response({}, status=200 if shown[-1] == "Bearer new" else 401)

    async with (
        serving(handler) as server,
        connection(server, "Bearer old", "Bearer new").watch_session(connections=1) as session,
        session.get(f"{server}/api/v1/secrets") as answer,
    ):
        assert answer.status == 200
    assert shown == ["Bearer old", "Bearer new"]


class OutOfOfficeError(Exception):
    """What a fence raises."""


async def test_a_write_that_is_held_back_at_the_last_moment_is_not_sent() -> None:
    """The fence is asked after everything else that takes time; reads are not asked about."""
    seen = []
    steps: list[str] = []

    class Slow(Token):
        async def header(self) -> str | None:
            steps.append("token")
            return await super().header()

    def fence() -> None:
        steps.append("fence")
        if may_write:
            return
        raise OutOfOfficeError

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, await request.text(), request.content_type))
        return web.json_response({})

    async with serving(handler) as server:
        to = Connection(
            server=server,
            ssl_context=ssl.create_default_context(),
            authorization=Slow("Bearer a"),
            proxy=None,
        )
        fenced = KubernetesClient(to, connections=2, fence=fence)
        may_write = True
        await fenced.request("PATCH", "/a", body={"a": 1}, content_type="x/y")
        assert steps == ["token", "fence"]
        may_write = False
        with pytest.raises(OutOfOfficeError):
            await fenced.request("PATCH", "/b", body={"b": 1})
        await fenced.request("GET", "/c")
        await fenced.close()
    assert seen == [("PATCH", '{"a":1}', "x/y"), ("GET", "", "application/json")]


async def test_what_is_under_way_is_taken_back_when_the_client_is_closed(tmp_path: Path) -> None:
    """At once, by a reset: no byte that a network held up arrives when it heals."""
    authority = Authority(tmp_path)
    serving_as = authority.issue("server", hosts=["127.0.0.1"])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(serving_as.certificate, serving_as.key)
    requested = asyncio.Event()
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        requested.set()
        try:
            await reader.read()
        except ConnectionResetError:
            ended.put_nowait("reset")
        else:
            ended.put_nowait("closed")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        host, port = server.sockets[0].getsockname()
        to = Connection(
            server=f"https://{host}:{port}",
            ssl_context=ssl.create_default_context(cafile=str(authority.certificate)),
            authorization=Token(None),
            proxy=None,
        )
        client = KubernetesClient(to, connections=1)
        request = asyncio.ensure_future(client.request("PATCH", "/a", body={}))
        await requested.wait()
        await client.close()
        assert await ended.get() == "reset"
        with pytest.raises(ApiUnreachableError):
            await request
        with pytest.raises(ApiUnreachableError, match="closed"):
            await client.request("PATCH", "/b", body={})


@pytest.mark.parametrize(
    "name",
    [
        *("..", "../../victim/secrets/x", "../../victim", "%2e%2e/x", "%2e%2e%2fx", "a/.", "x#y"),
        *("%2E./x", "..%2fx", "a\\b", "a%3fb"),
    ],
)
async def test_a_path_never_leads_to_another_namespace(name: str) -> None:
    """Clients and servers remove dot segments; nothing is sent, whatever a name has in it."""
    requested: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        requested.append(request.path)
        return web.json_response({})

    async with serving(answer) as server:
        client = KubernetesClient(connection(server))
        path = f"/api/v1/namespaces/evil/secrets/{name}"
        try:
            with pytest.raises(ApiError, match="invalid"):
                await client.request("GET", path)
            with pytest.raises(ApiError, match="invalid"):
                async for _ in client.watch(path, accept="*/*", seconds=5):
                    pass
        finally:
            await client.close()
    assert requested == []
