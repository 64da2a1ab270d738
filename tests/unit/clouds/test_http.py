"""HTTP at the edge of Alibaba Cloud, against servers on this machine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from typing_extensions import override

from keywright.api.sensitive import Sensitive
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.sts.client import Endpoint, StsCalls, StsError
from keywright.clouds.http import HttpClient, HttpResponse, Timeouts, TransportError
from tests.unit.clouds.alibaba.contexts import ScriptedHttp
from tests.unit.clouds.aws.contexts import bare
from tests.unit.fakes.clock import FakeClock

LIMITS = Timeouts(connect_seconds=2, read_seconds=2)
AT = Endpoint("sts.cn-hangzhou.aliyuncs.com", LIMITS, "chat")
URL = "https://sts.cn-hangzhou.aliyuncs.com/"
Handler = Callable[[web.Request], Any]


async def _ask(
    http: HttpClient,
    method: str,
    url: str,
    *,
    limits: Timeouts = LIMITS,
    reach: Reach = Reach.OPERATOR,
    body: str | None = None,
) -> HttpResponse:
    return await http.request(method, url, limits=limits, reach=reach, tenant="chat", body=body)


@asynccontextmanager
async def _served(handler: Handler) -> AsyncIterator[tuple[HttpClient, str]]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    http = HttpClient()
    async with TestServer(application) as server:
        try:
            yield http, str(server.make_url("/"))
        finally:
            await http.close()


async def test_a_form_arrives_as_it_was_signed() -> None:
    """Not encoded a second time, and without headers from the operator's environment."""
    seen: list[tuple[str, str, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.raw_path, await request.text(), dict(request.headers)))
        return web.json_response({})

    async with _served(handler) as (http, url):
        body = "Policy=%7B%22a%20b%22%7D&Nonce=%2A~"
        await _ask(http, "POST", url, body=body)
        await _ask(http, "GET", f"{url}?Signature=a%2Bb%3D&x=%20")
    assert [(path, text) for path, text, _ in seen] == [
        ("/", body),
        ("/?Signature=a%2Bb%3D&x=%20", ""),
    ]
    assert seen[0][2]["Content-Type"] == "application/x-www-form-urlencoded"
    assert all("Authorization" not in headers for _, _, headers in seen)


@pytest.mark.parametrize(("size", "fits"), [(64 * 1024, True), (64 * 1024 + 1, False)])
async def test_a_long_answer_is_not_read(size: int, *, fits: bool) -> None:
    """64 KiB are enough for any answer; ten megabytes never get into memory."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * size)

    async with _served(handler) as (http, url):
        if fits:
            assert len((await _ask(http, "GET", url)).body) == size
        else:
            with pytest.raises(TransportError, match="more than 64 KiB"):
                await _ask(http, "GET", url)


async def test_a_redirect_is_an_answer() -> None:
    """It is reported, and not followed."""
    requested: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        requested.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with _served(handler) as (http, url):
        assert (await _ask(http, "GET", url)).status == 302
    assert requested == ["/"]


async def test_a_slow_answer_is_given_up() -> None:
    """After the time that the source allows, whether nothing comes or a byte now and then."""
    ended = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await ended.wait()
        return web.Response()

    async with _served(handler) as (http, url):
        with pytest.raises(TransportError, match="did not answer in time"):
            await _ask(http, "GET", url, limits=Timeouts(connect_seconds=2, read_seconds=0.1))
        ended.set()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:1/", "127.0.0.1: ClientConnectorError"),
        ("http://nowhere.invalid/", "nowhere.invalid: "),
        ("http://[bad/", "no URL"),
    ],
)
async def test_no_connection_is_no_answer(url: str, says: str) -> None:
    """For any reason, it is reported without a traceback."""
    http = HttpClient()
    with pytest.raises(TransportError) as caught:
        await _ask(http, "GET", url)
    assert says in str(caught.value)
    await http.close()


async def test_a_name_that_stands_for_this_host_is_not_followed() -> None:
    """The owner of a name could let it resolve to the metadata service; an address must be listed.

    `localhost` says what it is.
    """

    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    async with _served(handler) as (http, url):
        for host in ("127.0.0.1", "localhost"):
            address = url.replace("127.0.0.1", host)
            assert (await _ask(http, "GET", address, reach=Reach.LISTED)).status == 200


class Names(AbstractResolver):
    """Every name stands for these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in self.addresses
        ]

    @override
    async def close(self) -> None:
        return None


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "100.100.100.200"])
async def test_a_name_of_the_metadata_service_is_not_asked(address: str) -> None:
    """Not even where the operator's list allows the name: its owner decides where it leads."""
    http = HttpClient(resolver=Names(address))
    with pytest.raises(TransportError, match="an address that this operator does not connect to"):
        await _ask(http, "GET", "http://credentials.example.com/", reach=Reach.LISTED)
    await http.close()


def _sts(status: int, body: bytes) -> StsCalls:
    return StsCalls(ScriptedHttp({URL: HttpResponse(status, body)}), clock=FakeClock())


CREDENTIALS = {
    "AccessKeyId": "STS.1",
    "AccessKeySecret": "planted",
    "SecurityToken": "planted",
    "Expiration": "2026-11-22T13:00:00Z",
}
USER = {"Arn": "acs:ram::1:assumed-role/chat/chat.source", "AssumedRoleId": "1:chat.source"}


async def test_an_answer_of_sts_is_read() -> None:
    """Id, secret, token, ARN, and the end that STS tells."""
    body = json.dumps({"Credentials": CREDENTIALS, "AssumedRoleUser": USER, "RequestId": "r"})
    found = await _sts(200, body.encode()).assume_role({}, by=bare(), at=AT)
    assert (found.access_key_id, found.arn) == ("STS.1", USER["Arn"])
    assert (found.secret, found.token) == (Sensitive("planted"), Sensitive("planted"))
    assert found.expires_at == datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert "planted" not in repr(found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>planted</html>",
        json.dumps({"Credentials": {**CREDENTIALS, "AccessKeySecret": None}}).encode(),
        json.dumps({"Credentials": CREDENTIALS}).encode(),
        json.dumps(
            {"Credentials": {**CREDENTIALS, "Expiration": "soon"}, "AssumedRoleUser": USER}
        ).encode(),
        json.dumps({"Credentials": CREDENTIALS, "AssumedRoleUser": USER}).encode()[:-10],
    ],
    ids=["empty", "page", "no secret", "no role", "no end", "cut"],
)
async def test_a_damaged_answer_is_never_quoted(body: bytes) -> None:
    """It may hold a secret access key, which is a word like any other."""
    with pytest.raises(StsError) as caught:
        await _sts(200, body).assume_role({}, by=bare(), at=AT)
    assert caught.value.code == ""
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        (400, b'{"Code": "NoPermission", "Message": "No."}', "NoPermission", "No"),
        (503, b'{"Code": "ServiceUnavailable", "Message": "Later."}', "", "Later"),
        (502, b"<html>", "", "HTTP 502"),
        (403, b"<html>", "", "HTTP 403"),
        (
            400,
            json.dumps(
                {
                    "Code": "SignatureDoesNotMatch",
                    "Message": "server string to sign is:POST&%2F&AccessKeyId%3DSTS.1%26Action"
                    "%3DAssumeRole%26SecurityToken%3DCAISplantedplantedplantedplanted%26Timestamp",
                }
            ).encode(),
            "SignatureDoesNotMatch",
            "<removed>",
        ),
    ],
)
async def test_a_refusal_is_read(status: int, body: bytes, code: str, says: str) -> None:
    """Code and words; a service in trouble has no code, and a signature's text no token."""
    with pytest.raises(StsError) as caught:
        await _sts(status, body).caller(bare(), at=AT)
    assert caught.value.code == code
    assert says in caught.value.message
    assert "planted" not in caught.value.message


async def test_a_thread_that_retries_after_the_end_is_refused() -> None:
    """It would open a session that is never closed."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="never asked")

    async with _served(handler) as (http, url):
        await http.close()
        with pytest.raises(TransportError, match="stopping"):
            await _ask(http, "GET", url)
