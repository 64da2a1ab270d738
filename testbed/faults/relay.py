"""Forwards one request to the real server and its response back, unless a fault applies.

Requests are forwarded whole, watches as they arrive. The faults are those of the embedded cluster;
an open watch is affected between two events, as on a broken network.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web

from testbed.clusters.embedded import faults
from testbed.clusters.embedded.answers import refused
from testbed.clusters.embedded.documents import Document, decode, encode
from testbed.clusters.embedded.faults import Fault, FaultKind, Faults, parse_fault
from testbed.clusters.embedded.field_errors import ApiError
from testbed.clusters.embedded.routes import parse_route, verb_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_OF_OPEN_WATCHES: Final = frozenset(
    {FaultKind.CLOSE, FaultKind.RESET, FaultKind.STALL, FaultKind.GONE}
)
_ERROR_EVENTS: Final = {
    FaultKind.GONE: ApiError(
        "The resourceVersion for the provided watch is too old.", code=410, reason="Expired"
    ),
    FaultKind.INTERNAL_ERROR: ApiError(
        "Internal error occurred: a fault on demand", code=500, reason="InternalError"
    ),
}


class Relay:
    """Answers requests in place of the API server at `upstream`.

    `down` is called with the seconds for which the proxy must not listen.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        upstream: str,
        trust: ssl.SSLContext,
        control_token: str,
        down: Callable[[float], None],
    ) -> None:
        self._session = session
        self._upstream = upstream
        self._trust = trust
        self._control_token = control_token.encode()
        self._down = down
        self._faults = Faults()
        self._revoked: set[str] = set()
        self._open: dict[asyncio.Queue[Fault], str] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request."""
        try:
            if request.path == "/_faults":
                return await self._control(request)
            return await self._with_faults(request)
        except ApiError as error:
            return refused(error)

    async def _with_faults(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path_qs
        watching = request.query.get("watch") in {"true", "1"}
        verb = verb_of(request.method, parse_route(request.path), watching=watching)
        if _token_of(request) in self._revoked:
            raise ApiError("Unauthorized", code=401, reason="Unauthorized")
        fault = self._faults.take(path, verb, after=False)
        if fault is not None and await faults.happen(fault, request):
            raise ConnectionResetError
        if watching:
            return await self._stream(request)
        answer = await self._whole(request)
        fault = self._faults.take(path, verb, after=True)
        if fault is not None and await faults.happen(fault, request):
            raise ConnectionResetError
        return answer

    def _ask(self, request: web.BaseRequest, body: bytes) -> aiohttp.client._RequestContextManager:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP
        }
        return self._session.request(
            request.method,
            self._upstream + request.raw_path,
            data=body or None,
            headers=headers,
            ssl=self._trust,
        )

    async def _whole(self, request: web.BaseRequest) -> web.Response:
        async with self._ask(request, await request.read()) as answer:
            return web.Response(
                body=await answer.read(), status=answer.status, headers=_headers(answer)
            )

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        async with self._ask(request, b"") as answer:
            response = web.StreamResponse(status=answer.status, headers=_headers(answer))
            response.enable_chunked_encoding()
            await response.prepare(request)
            interrupts: asyncio.Queue[Fault] = asyncio.Queue()
            self._open[interrupts] = request.path_qs
            try:
                await self._follow(request, answer, response, interrupts)
            finally:
                del self._open[interrupts]
            with contextlib.suppress(ConnectionResetError):
                await response.write_eof()
            return response

    async def _follow(
        self,
        request: web.BaseRequest,
        answer: aiohttp.ClientResponse,
        response: web.StreamResponse,
        interrupts: asyncio.Queue[Fault],
    ) -> None:
        interrupted = asyncio.create_task(interrupts.get(), name="a fault")
        chunk = asyncio.create_task(answer.content.readany(), name="an event")
        try:
            while True:
                await asyncio.wait({interrupted, chunk}, return_when=asyncio.FIRST_COMPLETED)
                if interrupted.done():
                    fault = interrupted.result()
                    if (reported := _ERROR_EVENTS.get(fault.kind)) is not None:
                        await response.write(_error_event(reported))
                        return
                    if await faults.happen(fault, request):
                        raise ConnectionResetError
                    interrupted = asyncio.create_task(interrupts.get(), name="a fault")
                if chunk.done():
                    data = chunk.result()
                    if not data:
                        return
                    await response.write(data)
                    chunk = asyncio.create_task(answer.content.readany(), name="an event")
        finally:
            for task in (interrupted, chunk):
                task.cancel()
            await asyncio.gather(interrupted, chunk, return_exceptions=True)

    async def _control(self, request: web.BaseRequest) -> web.Response:
        if not hmac.compare_digest(_token_of(request).encode(), self._control_token):
            raise ApiError("Unauthorized", code=401, reason="Unauthorized")
        if request.method == "DELETE":
            self._faults.clear()
            return web.json_response({})
        body: Document = decode(await request.read())
        match body.get("kind"):
            case "down":
                self._down(float(body["seconds"]))
            case "revoked":
                self._revoked.add(body["token"])
            case "broken":
                self._interrupt(parse_fault({"kind": FaultKind.INTERNAL_ERROR.value}))
            case _:
                self._arm(parse_fault(body))
        return web.json_response({})

    def _arm(self, fault: Fault) -> None:
        if fault.kind is not FaultKind.GONE:
            self._faults.arm(fault)
        if not fault.after and fault.kind in _OF_OPEN_WATCHES:
            self._interrupt(fault)

    def _interrupt(self, fault: Fault) -> None:
        """Apply a fault to the watches that are open now."""
        for interrupts, path in self._open.items():
            if fault.meets(path, "watch"):
                interrupts.put_nowait(fault)


def _token_of(request: web.BaseRequest) -> str:
    return request.headers.get("Authorization", "").partition(" ")[2]


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP
    }


def _error_event(error: ApiError) -> bytes:
    return encode({"type": "ERROR", "object": error.status()}) + b"\n"
