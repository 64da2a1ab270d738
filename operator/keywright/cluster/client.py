"""Requests to the Kubernetes API with plain dictionaries."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.api_requests import ApiRequestObserver, verb_and_resource
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
    """The audiences of the JWT in an Authorization header (RFC 7519, claim `aud`), if it is one.

    The signature is not verified: it is the operator's own token.
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

    Object names are validated when they are parsed; this is a second safeguard.
    """
    plain = path.partition("?")[0]
    if not _SUSPECT.search(plain):
        return
    for segment in unquote(plain).split("/")[1:]:
        if segment in (".", "..") or set(segment) & set("#?\\"):
            raise ApiError(status=400, reason="BadRequest", message="a name in the path is invalid")


class _ListMeta(msgspec.Struct):
    continuation: str = msgspec.field(name="continue", default="")


# An empty list of metadata arrives as null.
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
    """A body that checks the fence before it is sent; the headers wait for it.

    Between the check and the socket there is no point at which another task could run.
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
    """The HTTP client of all modules in `cluster`: one session with bounded connections.

    With a `fence`, each write calls it when it is sent. An exception of the fence is raised by the
    write, and nothing is sent: a process that was frozen after its last check of the Lease writes
    nothing when it resumes. `observe` is called after each request.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        connections: int = 32,
        fence: Callable[[], None] | None = None,
        observe: ApiRequestObserver | None = None,
    ) -> None:
        self._observe = observe
        self._server = connection.server
        self._authorization = connection.authorization
        self._session = connection.session(connections=connections)
        self._encode = msgspec.json.Encoder().encode
        self._fence = fence

    async def close(self) -> None:
        """Close the client, and abort requests in progress that have not been received yet."""
        await self._session.close()

    async def own_audiences(self) -> frozenset[str]:
        """The audiences of the operator's own token, for the API server; empty without one."""
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
        """Send a request; return the response as dictionaries and lists, or as `into`.

        Raises:
            ApiError: a response of 400 or above.
            ApiUnreachableError: no response within `seconds` (default 30), invalid JSON, or closed
                client.
            Exception: that of the fence, if it blocked a write.
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
        timeout: aiohttp.ClientTimeout | None,  # noqa: ASYNC109  passed on to aiohttp
    ) -> tuple[int, bytes, str | None]:
        """Return status, body, and the Authorization header that was sent."""
        _check_path(path)
        authorization = await self._authorization.header()
        if authorization is not None:
            headers["Authorization"] = authorization
        fence = None if data is None else self._fence
        if self._session.closed:
            raise ApiUnreachableError(f"{method} {path}: the client is closed")
        body = data if data is None or fence is None else _FencedBody(data, fence=fence)
        began, status = time.perf_counter(), None
        try:
            async with self._session.request(
                method, self._server + path, data=body, headers=headers, timeout=timeout
            ) as answer:
                status = answer.status
                return status, await answer.read(), authorization
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if fence is not None:
                fence()  # aiohttp wraps exceptions of a body
            raise ApiUnreachableError(f"{method} {path}: {type(error).__name__}") from error
        finally:
            self._record(method, path, status=status, began=began)

    def _record(self, method: str, path: str, *, status: int | None, began: float) -> None:
        if self._observe is not None:
            verb, resource = verb_and_resource(method, path)
            self._observe(verb, resource, status=status, seconds=time.perf_counter() - began)

    def items(
        self, path: str, *, selector: str = "", accept: str = METADATA_LIST, page: int = _PAGE
    ) -> AsyncIterator[dict[str, Any]]:
        """Return every object of a collection, page by page; metadata only by default.

        Whole objects may have a megabyte each: their `page` should be small.
        """
        pages = self._pages(path, selector=selector, accept=accept, into=_Page, page=page)
        return (item async for page in pages for item in page.items or ())

    def uids(self, path: str, *, selector: str = "") -> AsyncIterator[str]:
        """Return the uid of every object of a collection, page by page.

        Pages of dictionaries would need megabytes, which the process would not release.
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
        """Return the events of a watch, until the server ends it or the connection is lost.

        Raises:
            ApiError: the watch was refused.
            ApiUnreachableError: there was no response, or one that is not an event.
        """
        _check_path(path)
        headers = {"Accept": accept}
        authorization = await self._authorization.header()
        if authorization is not None:
            headers["Authorization"] = authorization
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        answered, began = False, time.perf_counter()
        try:
            async with self._session.get(
                self._server + path, headers=headers, timeout=timeout
            ) as answer:
                self._record("GET", path, status=answer.status, began=began)
                if answer.status >= 400:
                    raise self._error(answer.status, await answer.read())
                answered, rest = True, b""
                # Lines may be longer than aiohttp's limit for a line.
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield await decode(await shallow(line))
        except msgspec.DecodeError as error:
            raise ApiUnreachableError(f"GET {path}: a damaged event") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not answered:
                self._record("GET", path, status=None, began=began)
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
