"""botocore's requests, sent by the shared HTTP client (`clouds.http`) in the event loop.

boto3 builds and signs a request and parses its response, in a thread; a handler of the public event
`before-send`, which may return the response itself, replaces botocore's own HTTP session (botocore
1.44, endpoint.py, `_do_get_response`). Failures are botocore's own exceptions, so that its retries
still work; what must not be retried is a `TransportError`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp

from keywright.clouds.addresses import Reach
from keywright.clouds.http import (
    MAX_CALL_SECONDS,
    ForbiddenAddressError,
    HttpClient,
    HttpResponse,
    Timeouts,
    TooLongError,
    TransportError,
)

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0
_BYTES_OF_STS: Final = 64 * 1024
# A page of 500 API keys with their tags; API Gateway itself allows 10 MB.
_BYTES: Final = 8 * 1024 * 1024
_LEFT: Final = "keywright_seconds_left"
# For the loop to notice its own deadline.
_GRACE_SECONDS: Final = 5.0


class Observe(Protocol):
    """Receives the headers of a response, by names in lower case, and its duration in seconds."""

    def __call__(self, headers: Mapping[str, str], /, *, took: float) -> None:
        """Called in the event loop; raises nothing."""


@dataclass(frozen=True, slots=True)
class Transport:
    """Sends the requests of one call; `once`: over a new connection, for calls without retries.

    `observe` is called with the headers of each response and its duration in seconds.
    """

    http: HttpClient
    loop: asyncio.AbstractEventLoop
    reach: Reach
    service: str
    once: bool = False
    longest_seconds: float = MAX_CALL_SECONDS
    observe: Observe | None = None

    def send(self, request: Any) -> Any:
        """Return the AWSResponse to an AWSPreparedRequest; called in a thread.

        All attempts of one operation together have `longest_seconds`.

        Raises:
            BotoCoreError: as botocore's own HTTP session does.
            TransportError: the time is over, or the address is rejected; not retried.
        """
        context: dict[str, Any] = request.context if request.context is not None else {}
        left = float(context.get(_LEFT, self.longest_seconds))
        if left <= 0:
            raise TransportError("the deadline of the call is exceeded")
        began = time.monotonic()
        try:
            answer = self._exchanged(request, seconds=left)
        except TransportError as error:
            raise _as_botocore(error, request) from None
        finally:
            context[_LEFT] = left - (time.monotonic() - began)
        return _as_response(answer, request)

    def _exchanged(self, request: Any, *, seconds: float) -> HttpResponse:
        limits = Timeouts(
            CONNECT_SECONDS,
            READ_SECONDS,
            total_seconds=min(seconds, CONNECT_SECONDS + 2 * READ_SECONDS),
            most_bytes=_BYTES_OF_STS if self.service == "sts" else _BYTES,
        )
        sending = self._observed(request, limits=limits)
        try:
            future = asyncio.run_coroutine_threadsafe(sending, self.loop)
        except RuntimeError:
            sending.close()
            raise TransportError("the operator is stopping") from None
        try:
            return future.result(seconds + _GRACE_SECONDS)
        except (TimeoutError, concurrent.futures.CancelledError):
            future.cancel()
            raise TransportError("the call was cut off") from None

    async def _observed(self, request: Any, *, limits: Timeouts) -> HttpResponse:
        began = time.monotonic()
        answer = await self.http.exchange(
            request.method,
            request.url,
            limits=limits,
            reach=self.reach,
            body=_body(request.body),
            headers={"Accept-Encoding": "identity", **dict(_headers(request.headers))},
            keep=not self.once,
        )
        if self.observe is not None:
            self.observe(answer.headers, took=time.monotonic() - began)
        return answer


@dataclass(frozen=True, slots=True)
class _Raw:
    """The body of an AWSResponse."""

    body: bytes

    def stream(self) -> Iterator[bytes]:
        """Return the body in one part."""
        yield self.body


def _as_response(answer: HttpResponse, request: Any) -> Any:
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415  imported after start-up

    headers: Any = answer.headers
    return AWSResponse(request.url, answer.status, headers, _Raw(answer.body))


def _body(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytearray):
        return bytes(body)
    found = body.read()
    return found if isinstance(found, bytes) else str(found).encode()


def _headers(headers: Mapping[str, str | bytes]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        yield name, value.decode() if isinstance(value, bytes) else str(value)


def _as_botocore(error: TransportError, request: Any) -> Exception:
    """The exception that botocore's own HTTP session would raise; its retries handle it."""
    from botocore import exceptions  # noqa: PLC0415  imported after start-up

    cause, url = error.cause, request.url.partition("?")[0]
    match cause:
        case aiohttp.ClientSSLError():
            return exceptions.SSLError(endpoint_url=url, error=cause)
        case aiohttp.ClientConnectorError() if isinstance(cause.os_error, ForbiddenAddressError):
            return TransportError(str(error))
        case None | ForbiddenAddressError() | TooLongError():
            return TransportError(str(error))
        case aiohttp.ConnectionTimeoutError():
            return exceptions.ConnectTimeoutError(endpoint_url=url, error=cause)
        case TimeoutError():
            return exceptions.ReadTimeoutError(endpoint_url=url, error=cause)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return exceptions.ProxyConnectionError(proxy_url="the proxy", error=cause)
        case aiohttp.ClientConnectorError():
            return exceptions.EndpointConnectionError(endpoint_url=url, error=cause)
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            return exceptions.ConnectionClosedError(endpoint_url=url, error=cause)
        case _:
            # Without the message of the library, which may quote the response.
            return exceptions.HTTPClientError(error=TransportError(type(cause).__name__))
