"""A light watch of Secrets, on an API server that is a few lines of aiohttp."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from keywright.api.errors import ApiUnreachableError
from keywright.cluster.client import METADATA, METADATA_LIST
from keywright.cluster.watch import SecretWatch
from tests.unit.cluster.test_client import client_of

PATH = "/api/v1/namespaces/chat/secrets"


def event(name: str, version: int, *, kind: str = "MODIFIED", namespace: str = "chat") -> bytes:
    """A line of a watch."""
    metadata = {"namespace": namespace, "name": name, "resourceVersion": str(version)}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


GONE = json.dumps({"type": "ERROR", "object": {"code": 410}}).encode() + b"\n"


class Server:
    """Lists at version 5; each watch sends the next of `watches`, and the last one stays open."""

    def __init__(self, *watches: list[bytes] | int) -> None:
        self.watches: Iterator[list[bytes] | int] = iter(watches)
        self.requested: list[str] = []
        self.accepted: set[str] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """The next answer."""
        self.accepted.add(request.headers["Accept"])
        if "watch" not in request.query:
            self.requested.append("list")
            assert request.query["limit"] == "1"
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": None})
        self.requested.append(f"watch from {request.query['resourceVersion']}")
        assert request.path == PATH
        answer = web.StreamResponse()
        lines = next(self.watches, None)
        if isinstance(lines, int):
            return web.json_response({"reason": "Expired", "message": ""}, status=lines)
        await answer.prepare(request)
        if lines is None:
            await asyncio.Event().wait()
        for line in lines or ():
            await answer.write(line)
        return answer


@asynccontextmanager
async def watching(server: Server, *, until: int) -> AsyncIterator[list[str | None]]:
    """What was looked at, once so many requests came."""
    looked: list[str | None] = []
    requested = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if len(server.requested) + 1 >= until:
            requested.set()
        return await server(request)

    async def look(namespace: str, name: str | None) -> None:
        assert namespace == "chat"
        looked.append(name)

    async with client_of(handler) as client:
        watch = SecretWatch(client, look=look)
        watch.want(frozenset({"chat"}))
        watch.want(frozenset({"chat"}))
        async with asyncio.timeout(10):
            await requested.wait()
        await watch.close()
        yield looked


async def test_it_goes_on_where_a_connection_ended() -> None:
    """From the last version that it heard of, bookmarks included; nothing is listed again."""
    server = Server([event("a", 7), event("b", 9, kind="BOOKMARK")], [event("b", 11)])
    async with watching(server, until=4) as looked:
        assert looked == [None, "a", "b"]
    assert server.requested[:4] == ["list", "watch from 5", "watch from 9", "watch from 11"]
    assert server.accepted == {METADATA, METADATA_LIST}


@pytest.mark.parametrize("gap", [[GONE], 410])
async def test_after_a_gap_everything_is_looked_at(gap: list[bytes] | int) -> None:
    """A version that is too old, reported by an event or a response, starts the watch again."""
    server = Server([event("a", 7)], gap)
    async with watching(server, until=5) as looked:
        assert looked == [None, "a", None]
    assert server.requested[:5] == ["list", "watch from 5", "watch from 7", "list", "watch from 5"]


async def test_a_long_line_comes_in_pieces() -> None:
    """An event of a megabyte is one event."""
    long = event("x" * 1_000_000, 7)
    server = Server([long[:10], long[10:70_000], long[70_000:]])
    async with watching(server, until=3) as looked:
        assert looked == [None, "x" * 1_000_000]


async def test_a_damaged_event_is_a_gap() -> None:
    """It is logged, and never treated as an event."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b'{"type"\n{}\n')

    async with client_of(handler) as client:
        with pytest.raises(ApiUnreachableError, match="damaged"):
            await anext(client.watch(PATH, accept=METADATA, seconds=5))


async def test_a_namespace_that_nobody_wants_is_left() -> None:
    """Its watch ends, and may begin again."""
    server = Server()
    began = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            began.set()
        return await server(request)

    async def look(_: str, __: str | None) -> None:
        return

    async with client_of(handler) as client:
        watch = SecretWatch(client, look=look)
        for _ in range(2):
            watch.want(frozenset({"chat"}))
            await began.wait()
            began.clear()
            watch.want(frozenset())
        await watch.close()
    assert server.requested.count("list") == 2


class Cluster:
    """All namespaces; `tell` is an event of the one watch."""

    def __init__(self) -> None:
        self.requested: list[str] = []
        self.events: asyncio.Queue[bytes] = asyncio.Queue()
        self.watched = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The next answer."""
        self.requested.append(request.path)
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": None})
        answer = web.StreamResponse()
        await answer.prepare(request)
        self.watched.set()
        while True:
            await answer.write(await self.events.get())


async def test_one_watch_serves_all_namespaces() -> None:
    """Sixty of them took the connections that the Lease is renewed by."""
    server = Cluster()
    looked: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()

    async def look(namespace: str, name: str | None) -> None:
        looked.put_nowait((namespace, name))

    async with client_of(server.handle) as client:
        watch = SecretWatch(
            client, look=look, wanted=lambda _, name: name == "key", everywhere=True
        )
        namespaces = frozenset(f"team-{number}" for number in range(60))
        watch.want(namespaces)
        async with asyncio.timeout(10):
            await server.watched.wait()
            begun = {await looked.get() for _ in namespaces}
            assert begun == {(namespace, None) for namespace in namespaces}
            for name, namespace in (("key", "other"), ("other", "team-1"), ("key", "team-2")):
                server.events.put_nowait(event(name, 7, namespace=namespace))
            assert await looked.get() == ("team-2", "key")
        watch.want(namespaces | {"team-60"})
        assert looked.empty()
        assert server.requested == ["/api/v1/secrets"] * 2
        await watch.close()
        assert watch.scopes == frozenset()


async def test_a_namespace_whose_secrets_change_all_the_time_delays_no_other() -> None:
    """Its looks come one after the other, and what is touched meanwhile is looked at once."""
    server, gate = Cluster(), asyncio.Event()
    looked: dict[str, asyncio.Queue[str]] = {"flood": asyncio.Queue(), "chat": asyncio.Queue()}

    async def look(namespace: str, name: str | None) -> None:
        if name is None:
            return
        looked[namespace].put_nowait(name)
        if namespace == "flood":
            await gate.wait()

    async with client_of(server.handle) as client:
        watch = SecretWatch(client, look=look, everywhere=True)
        watch.want(frozenset({"flood", "chat"}))
        async with asyncio.timeout(10):
            await server.watched.wait()
            server.events.put_nowait(event("key", 9, namespace="flood"))
            assert await looked["flood"].get() == "key"
            # That look is in progress: what is touched from here on is for the next one.
            for version in range(100):
                server.events.put_nowait(event("key", 10 + version, namespace="flood"))
            server.events.put_nowait(event("key", 200))
            assert await looked["chat"].get() == "key"
            assert looked["flood"].empty()
            gate.set()
            assert await looked["flood"].get() == "key"
            server.events.put_nowait(event("key", 201))
            assert await looked["chat"].get() == "key"
        assert looked["flood"].empty()
        await watch.close()


async def test_a_look_that_fails_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """Any error: a change that is not noticed leaves clients with an invalid key."""
    server = Cluster()
    errors: list[Exception] = [ApiUnreachableError("GET"), RuntimeError("a mistake")]
    done = asyncio.Event()

    async def look(_: str, __: str | None) -> None:
        if errors:
            raise errors.pop(0)
        done.set()

    async with client_of(server.handle) as client:
        watch = SecretWatch(client, look=look, everywhere=True)
        watch.want(frozenset({"chat"}))
        async with asyncio.timeout(10):
            await done.wait()
        await watch.close()
    assert caplog.text.count("reading Secrets of chat failed, retrying") == 2
