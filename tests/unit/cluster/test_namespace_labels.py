"""Labels of namespaces, on an API server that is a few lines of aiohttp."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from keywright.api.errors import ApiError
from keywright.cluster.client import METADATA, METADATA_LIST
from keywright.cluster.namespace_labels import NamespaceLabels
from tests.unit.cluster.test_client import client_of

Labels = dict[str, str]


class Server:
    """Namespaces with their labels; each `tell` is an event of the one watch."""

    def __init__(self, **namespaces: Labels) -> None:
        self.namespaces = namespaces
        self.requested: list[str] = []
        self.accepted: set[str] = set()
        self.forbidden = False
        self.events: asyncio.Queue[bytes] = asyncio.Queue()
        self.watched = asyncio.Event()

    def tell(self, kind: str, name: str, **labels: str) -> None:
        """Something happened to a namespace."""
        metadata = {"name": name, "resourceVersion": "9", "labels": labels}
        event = {"type": kind, "object": {"metadata": metadata}}
        self.events.put_nowait(json.dumps(event).encode() + b"\n")

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """The next answer."""
        assert request.path == "/api/v1/namespaces"
        only = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        verb = "watch" if "watch" in request.query else "list"
        self.requested.append(f"{verb} {only or 'all'}")
        if sum(requested.startswith("watch") for requested in self.requested) == 2:
            self.watched.set()
        self.accepted.add(request.headers["Accept"])
        if self.forbidden:
            return web.json_response({"reason": "Forbidden", "message": ""}, status=403)
        if verb == "list":
            items = [
                {"metadata": {"name": name, "labels": labels}}
                for name, labels in self.namespaces.items()
                if only in ("", name)
            ]
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": items})
        answer = web.StreamResponse()
        await answer.prepare(request)
        while event := await self.events.get():
            await answer.write(event)
        return answer


class Ear:
    """The calls so far."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()

    async def next(self) -> frozenset[str]:
        """The next call."""
        async with asyncio.timeout(5):
            return await self.heard.get()


@asynccontextmanager
async def labels_of(server: Server, *namespaces: str) -> AsyncIterator[tuple[NamespaceLabels, Ear]]:
    """Labels that no caller needs yet."""
    ear = Ear()

    async def handler(request: web.Request) -> web.StreamResponse:
        return await server(request)

    async with client_of(handler) as client:
        made = NamespaceLabels(client, namespaces=namespaces, changed=ear.heard.put_nowait)
        yield made, ear
        await made.close()


async def test_nothing_is_asked_while_nobody_wants_it() -> None:
    """An installation without selectors never asks for namespaces."""
    server = Server(chat={})
    async with labels_of(server) as (labels, _):
        labels.enable(wanted=False)
        assert labels.known("chat") is None
    assert server.requested == []


async def test_only_other_labels_are_told() -> None:
    """Listed once as metadata, then watched: new, changed and gone; the same again is no news."""
    server = Server(chat={"team": "chat"}, other={})
    async with labels_of(server) as (labels, ear):
        labels.enable(wanted=True)
        labels.enable(wanted=True)
        assert await ear.next() == {"chat", "other"}
        assert await labels.labels("chat") == {"team": "chat"}
        server.tell("MODIFIED", "chat", team="chat")
        server.tell("MODIFIED", "chat", team="other")
        assert await ear.next() == {"chat"}
        assert labels.known("chat") == {"team": "other"}
        server.tell("DELETED", "chat", team="other")
        assert await ear.next() == {"chat"}
        assert await labels.labels("chat") == {}
    assert server.requested == ["list all", "watch all"]
    assert server.accepted == {METADATA, METADATA_LIST}


async def test_labels_are_read_where_the_watch_is_not_there_yet() -> None:
    """Of that namespace alone, so that nothing waits for the list."""
    server = Server(chat={"team": "chat"}, other={})
    async with labels_of(server) as (labels, _):
        assert await labels.labels("chat") == {"team": "chat"}
        assert await labels.labels("gone") == {}
    assert server.requested == ["list chat", "list gone"]


async def test_of_listed_namespaces_each_is_asked_for_by_name() -> None:
    """RBAC allows such a watch by resourceNames."""
    server = Server(a={"x": "1"}, b={"x": "2"}, c={"x": "3"})
    async with labels_of(server, "a", "b") as (labels, ear):
        labels.enable(wanted=True)
        assert {*(await ear.next()), *(await ear.next())} == {"a", "b"}
        assert labels.known("c") is None
        async with asyncio.timeout(5):
            await server.watched.wait()
    assert sorted(server.requested) == ["list a", "list b", "watch a", "watch b"]


async def test_what_may_not_be_read_is_an_error() -> None:
    """The caller decides what that means; the watch is retried after a pause."""
    server = Server(chat={})
    server.forbidden = True
    async with labels_of(server) as (labels, _):
        with pytest.raises(ApiError):
            await labels.labels("chat")


async def test_labels_that_may_not_be_read_any_more_are_forgotten() -> None:
    """They may have been changed since: a namespace would stay selected by labels of before."""
    server = Server(chat={"team": "chat"})
    async with labels_of(server) as (labels, ear):
        labels.enable(wanted=True)
        assert await ear.next() == {"chat"}
        assert labels.known("chat") == {"team": "chat"}
        server.forbidden = True
        server.events.put_nowait(b"")
        assert await ear.next() == {"chat"}
        assert labels.known("chat") is None
        with pytest.raises(ApiError):
            await labels.labels("chat")
