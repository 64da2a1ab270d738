"""Requests to the Kubernetes API with plain dictionaries."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.connection import Connection
from keywright.cluster.decoding import decode, shallow

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE = 500
_CONNECT_SECONDS = 10.0
_SUSPECT = re.compile(r"/\.|[%#\\]")


def audiences_of(authorization: str) -> frozenset[str]:
    """The audiences of the JWT in an Authorization header (RFC 7519, claim `aud`); none of others.

    Nothing is verified: it is our own.
    """
    parts = authorization.rpartition(" ")[2].split(".")
    try:
        payload = parts[1] if len(parts) == 3 else ""
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = claims.get("aud", ())
    except (ValueError, AttributeError, msgspec.DecodeError):
        return frozenset()
    return frozenset([found] if isinstance(found, str) else found)


def _check_path(path: str) -> None:
    """Raise ApiError for a path with a dot segment: it would lead to another namespace.

    The names of objects in it are checked where they are parsed; this is the second wall.
    """
    plain = path.partition("?")[0]
    if not _SUSPECT.search(plain):
        return
    for segment in unquote(plain).split("/")[1:]:
        if segment in (".", "..") or set(segment) & set("#?\\"):
            raise ApiError(status=400, reason="BadRequest", message="a name in the path is invalid")


class _ListMeta(msgspec.Struct):
    continuation: str = msgspec.field(name="continue", default="")


# An empty list of metadata comes as null.
class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[dict[str, Any]] | None = None


class _Identity(msgspec.Struct):
    uid: str


class _Identified(msgspec.Struct):
    metadata: _Identity


class _UidPage(msgspec.Struct):
    metadata: _ListMeta
    items: list[_Identified] | None = None


_P = TypeVar("_P", _Page, _UidPage)


class _FencedBody(aiohttp.BytesPayload):
    """A body that asks before it leaves; headers wait for it, so that nothing is sent without it.

    From there to the socket there is no step at which another task could run.
    """

    def __init__(self, value: bytes, *, fence: Callable[[], None]) -> None:
        super().__init__(value)
        self._fence = fence

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        self._fence()
        await super().write_with_length(writer, content_length)


class KubernetesClient:
    """The calls of all of `cluster`, on one session with a bounded number of connections.

    With a `fence` writes ask it at the moment when they leave. What it raises the write raises
    too, and nothing was sent: a process that was frozen after its last look at the Lease writes
    nothing when it thaws.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        connections: int = 32,
        fence: Callable[[], None] | None = None,
    ) -> None:
        self._server = connection.server
        self._authorization = connection.authorization
        self._session = connection.session(connections=connections)
        self._encode = msgspec.json.Encoder().encode
        self._fence = fence

    async def close(self) -> None:
        """End it: what is under way is taken back, as far as it has not arrived."""
        await self._session.close()

    async def own_audiences(self) -> frozenset[str]:
        """Whom our own token is meant for, the API server; none where we have no such token."""
        return audiences_of(await self._authorization.header() or "")

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        seconds: float | None = None,
        into: type[Any] | None = None,
    ) -> Any:
        """The parsed answer: dictionaries and lists, or what msgspec makes of it for `into`.

        Raises:
            ApiError: an answer of 400 or above.
            ApiUnreachableError: no answer within `seconds` (30 unless told), one that is no JSON,
                or this was closed.
            Exception: what the fence raises, of a write that was held back.
        """
        headers = {"Content-Type": content_type, "Accept": accept}
        data = None if body is None else self._encode(body)
        timeout = aiohttp.ClientTimeout(total=seconds) if seconds else None
        ask = partial(self._ask, method, path, data=data, headers=headers, timeout=timeout)
        status, raw, shown = await ask()
        if status == 401 and await self._authorization.renewed(shown):
            status, raw, _ = await ask()
        if status >= 400:
            raise self._error(status, raw)
        try:
            return await decode(raw, into=into)
        except msgspec.DecodeError as error:
            raise ApiUnreachableError(f"{method} {path}: an answer that is no JSON") from error

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout | None,  # noqa: ASYNC109  handed on to aiohttp
    ) -> tuple[int, bytes, str | None]:
        """Status, body, and the Authorization that was shown."""
        _check_path(path)
        authorization = await self._authorization.header()
        if authorization is not None:
            headers["Authorization"] = authorization
        fence = None if data is None else self._fence
        if self._session.closed:
            raise ApiUnreachableError(f"{method} {path}: the client is closed")
        body = data if data is None or fence is None else _FencedBody(data, fence=fence)
        try:
            async with self._session.request(
                method, self._server + path, data=body, headers=headers, timeout=timeout
            ) as answer:
                return answer.status, await answer.read(), authorization
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if fence is not None:
                fence()  # aiohttp wraps what a body raises
            raise ApiUnreachableError(f"{method} {path}: {type(error).__name__}") from error

    def items(
        self, path: str, *, selector: str = "", accept: str = METADATA_LIST, page: int = _PAGE
    ) -> AsyncIterator[dict[str, Any]]:
        """Every object of a collection, page by page; metadata only unless told otherwise.

        Whole objects may have a megabyte each: a `page` of them should be small.
        """
        pages = self._pages(path, selector=selector, accept=accept, into=_Page, page=page)
        return (item async for page in pages for item in page.items or ())

    def uids(self, path: str, *, selector: str = "") -> AsyncIterator[str]:
        """The uid of every object of a collection, page by page.

        Pages of dictionaries would take megabytes, which the process would keep.
        """
        pages = self._pages(
            path, selector=selector, accept=METADATA_LIST, into=_UidPage, page=_PAGE
        )
        return (item.metadata.uid async for page in pages for item in page.items or ())

    async def _pages(
        self, path: str, *, selector: str, accept: str, into: type[_P], page: int
    ) -> AsyncIterator[_P]:
        continuation: str | None = ""
        while continuation is not None:
            query = f"?limit={page}"
            query += f"&labelSelector={selector}" if selector else ""
            query += f"&continue={continuation}" if continuation else ""
            found = await self.request("GET", path + query, accept=accept, into=into)
            yield found
            continuation = found.metadata.continuation or None

    async def watch(
        self, path: str, *, accept: str, seconds: float
    ) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch, until the server ends it or the connection is lost.

        Raises:
            ApiError: it was refused.
            ApiUnreachableError: there was no answer at all, or one that is no event.
        """
        _check_path(path)
        headers = {"Accept": accept}
        authorization = await self._authorization.header()
        if authorization is not None:
            headers["Authorization"] = authorization
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        answered = False
        try:
            async with self._session.get(
                self._server + path, headers=headers, timeout=timeout
            ) as answer:
                if answer.status >= 400:
                    raise self._error(answer.status, await answer.read())
                answered, rest = True, b""
                # Lines may be longer than what aiohttp reads as one.
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield await decode(await shallow(line))
        except msgspec.DecodeError as error:
            raise ApiUnreachableError(f"GET {path}: a damaged event") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not answered:
                raise ApiUnreachableError(f"GET {path}: {type(error).__name__}") from error

    def _error(self, status: int, raw: bytes) -> ApiError:
        try:
            document = msgspec.json.decode(raw)
            reason, message = document.get("reason", ""), document.get("message", "")
            causes = (document.get("details") or {}).get("causes") or ()
            fields = tuple(str(cause.get("field", "")) for cause in causes)
        except (msgspec.DecodeError, AttributeError, TypeError, RecursionError):
            reason, message, fields = "", raw[:200].decode(errors="replace"), ()
        return ApiError(status=status, reason=reason, message=message, fields=fields)
