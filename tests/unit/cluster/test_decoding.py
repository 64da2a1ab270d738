"""JSON of the API server, however deep one object in it is nested."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.checks import CUT, is_deeper
from keywright.api.checks import without_depths as value_without_depths
from keywright.api.errors import ApiUnreachableError
from keywright.cluster.client import KubernetesClient
from keywright.cluster.connection import Connection
from keywright.cluster.decoding import ShallowLines, decode, decode_list, shallow, without_depths
from tests.unit.cluster.test_client import connection, serving

_DEPTH = 3000
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


def _deep(levels: int = _DEPTH) -> bytes:
    """An object that an API server takes."""
    policy = b'{"a":' * levels + b'"]}"' + b"}" * levels
    return b'{"metadata":{"name":"bad","uid":"b"},"spec":{"policy":%s}}' % policy


def _list(*items: bytes) -> bytes:
    return b'{"kind":"List","metadata":{"resourceVersion":"7"},"items":[%s]}' % b",".join(items)


_GOOD = b'{"metadata":{"name":"good","uid":"g"},"spec":{"data":{"x":"[{\\"[{"}}}'


@given(value=_JSON, levels=st.integers(1, 8))
def test_text_and_value_are_cut_alike(value: Any, levels: int) -> None:
    """What is deeper becomes a sentence; what is not stays as it is, brackets in strings too."""
    raw = json.dumps(value).encode()
    cut = json.loads(without_depths(raw, levels=levels))
    assert cut == value_without_depths(value, levels=levels)
    assert not is_deeper(cut, than=levels)
    assert (cut == value) == (not is_deeper(value, than=levels))


@pytest.mark.parametrize("levels", [500, 990, 3000, 100_000])
async def test_a_deep_object_is_decoded_without_its_depths(levels: int) -> None:
    """Whatever the recursion limit of this Python is; nothing else of it is lost."""
    found = await decode(await shallow(_deep(levels)))
    assert found["metadata"] == {"name": "bad", "uid": "b"}
    assert is_deeper(found, than=90)
    assert not is_deeper(found, than=100)
    assert CUT in json.dumps(found)


async def test_a_page_is_decoded_item_by_item() -> None:
    """The neighbour of a deep object is what it would be without it."""
    page = await decode_list(_list(_GOOD, _deep(), _GOOD))
    assert [item["metadata"]["name"] for item in page["items"]] == ["good", "bad", "good"]
    assert page["items"][0] == page["items"][2] == json.loads(_GOOD)
    assert page["metadata"] == {"resourceVersion": "7"}


@pytest.mark.parametrize("raw", [b'{"a":1}', b"[1]", b'"x"', b'{"items":null}', b'{"items":[]}'])
async def test_what_is_no_list_is_decoded_as_it_is(raw: bytes) -> None:
    """But for items that are null, which kopf would iterate over."""
    expected = json.loads(raw)
    if isinstance(expected, dict) and "items" in expected:
        expected["items"] = []
    assert await decode_list(raw) == expected


def _seconds(raw: bytes) -> float:
    began = time.process_time()
    without_depths(raw)
    return time.process_time() - began


@pytest.mark.parametrize("end", [b"", b"\\", b'\\"'])
def test_a_line_that_is_cut_within_a_string_takes_linear_time(end: bytes) -> None:
    """An API server ends a watch in mid-line; the string that has no end is read once."""
    begin = b"[" + b"[]," * 500 + b'"'
    text = begin + b'x\\"' * 100_000 + end
    assert _seconds(text) < 0.5
    assert without_depths(text) == text
    deep = b"[" * 600 + b"1," + text
    assert CUT.encode() in without_depths(deep)


class _Chunks:
    """The content of a watch, in the pieces in which a network brings it."""

    def __init__(self, raw: bytes, *, size: int) -> None:
        self._raw, self._size = raw, size

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        assert size
        for start in range(0, len(self._raw), self._size):
            yield self._raw[start : start + self._size]


@pytest.mark.parametrize("size", [1, 7, 1000, 2**20])
async def test_each_line_of_a_watch_can_be_decoded(size: int) -> None:
    """Kopf decodes line by line with the standard library, which recurses."""
    lines = [b'{"type":"ADDED","object":%s}' % body for body in (_GOOD, _deep(), _GOOD)]
    content: Any = ShallowLines(_Chunks(b"\n".join(lines) + b"\n", size=size))  # type: ignore[arg-type]
    read = b"".join([chunk async for chunk in content.iter_chunked(2**20)])
    events = [json.loads(line) for line in read.decode().splitlines()]
    assert [event["object"]["metadata"]["name"] for event in events] == ["good", "bad", "good"]
    assert events[2]["object"] == json.loads(_GOOD)


async def _answer(request: web.Request) -> web.StreamResponse:
    if "watch" in request.query:
        line = b'{"type":"MODIFIED","object":%s}\n'
        return web.Response(body=line % _deep() + line % _GOOD)
    if request.path.endswith("broken"):
        return web.Response(body=b'{"items":[{"metadata"')
    body = _list(_deep(), _GOOD)
    return web.Response(body=body, content_type="application/json")


async def test_our_own_client_reads_lists_and_watches_with_a_deep_object() -> None:
    """Pages of objects, of uids alone, and events."""
    async with serving(_answer) as server:
        client = KubernetesClient(connection(server))
        try:
            names = [item["metadata"]["name"] async for item in client.items("/things")]
            uids = [uid async for uid in client.uids("/things")]
            events = [
                event["object"]["metadata"]["name"]
                async for event in client.watch("/things?watch=true", accept="*/*", seconds=5)
            ]
            with pytest.raises(ApiUnreachableError, match="no JSON"):
                await client.request("GET", "/broken")
        finally:
            await client.close()
    assert (names, uids, events) == (["bad", "good"], ["b", "g"], ["bad", "good"])


async def test_the_session_of_kopf_reads_them_as_well() -> None:
    """By `json` and by the chunks of the content, as kopf asks for them."""
    async with serving(_answer) as server:
        reached: Connection = connection(server)
        async with reached.watch_session(connections=1) as session:
            async with session.get(f"{server}/things") as answer:
                page = await answer.json()
            async with session.get(f"{server}/things?watch=true") as answer:
                read = b"".join([chunk async for chunk in answer.content.iter_chunked(2**20)])
            async with session.get(f"{server}/broken") as answer:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.json()
    assert [item["metadata"]["name"] for item in page["items"]] == ["bad", "good"]
    lines = read.decode().splitlines()
    assert [json.loads(line)["object"]["metadata"]["name"] for line in lines] == ["bad", "good"]
