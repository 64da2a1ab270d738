"""The HTTP client for the clouds: guarded addresses, bounded responses and a total deadline.

Every request that a tenant can cause is sent here: AWS (`aws.transport`), Alibaba Cloud, probes and
credentials URIs. Only the network variables of the process's environment are used (HTTPS_PROXY,
HTTP_PROXY, NO_PROXY, SSL_CERT_FILE, AWS_CA_BUNDLE), as in botocore; not aiohttp's `trust_env`,
which would send the operator's netrc entries to hosts that a tenant names.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from keywright.clouds.addresses import Names, Reach, is_literal, may_connect
from keywright.clouds.answer_values import bound_answers
from keywright.clouds.connections import Authorities, ProxyOf, environment_proxy
from keywright.clouds.redaction import redacted
from keywright.clouds.shares import FairShares
from keywright.clouds.slots import waiting_for_cloud

MAX_CALL_SECONDS: Final = 30.0
"""The operator's ceiling for one call, regardless of the source's own timeouts."""
_CALLS: Final = 32
_MAX_CALLS: Final = 256
_MAX_BYTES: Final = 64 * 1024
_MAX_HEADERS: Final = 64
# A DNS server that a tenant chooses may block a lookup for longer than the call.
_FEW_THREADS, _MANY_THREADS = 8, 64
_AGENT: Final = "keywright"
NOT_REACHED: Final = (
    "it gives no valid answer, or it has an address that this operator does not connect to"
)


class TransportError(Exception):
    """There is no response, or it could not be read; the message contains no secret.

    `cause` is the exception of the library, for callers that distinguish types of failures.
    """

    def __init__(self, text: str, *, cause: Exception | None = None) -> None:
        super().__init__(text)
        self.cause = cause


class TooLongError(Exception):
    """A response with more bytes than the limit."""


class ForbiddenAddressError(OSError):
    """A host has an address that the guard rejects."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for the connection, for each part of the response and for all of it; and bytes.

    The total is also bounded by the operator's ceiling.
    """

    connect_seconds: float
    read_seconds: float
    total_seconds: float | None = None
    most_bytes: int = _MAX_BYTES

    def bounded(self, ceiling: float) -> Timeouts:
        """The same limits, none above the ceiling."""
        total = self.total_seconds or self.connect_seconds + 2 * self.read_seconds
        return replace(
            self,
            connect_seconds=min(self.connect_seconds, ceiling),
            read_seconds=min(self.read_seconds, ceiling),
            total_seconds=min(total, ceiling),
        )


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A status, a body of bounded size, and headers by names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Pool:
    """The requests that share connections: same guard, and kept alive or not."""

    reach: Reach
    literal: bool
    keep: bool


class HttpClient:
    """Requests to any host; created in the loop that first uses it, and closed there.

    `resolver` replaces the system's DNS, `proxy_of` the environment's proxies by URL, `authorities`
    the environment's CA bundles; `longest_seconds` is the ceiling for one call.
    """

    def __init__(
        self,
        *,
        resolver: AbstractResolver | None = None,
        proxy_of: ProxyOf | None = None,
        authorities: Authorities | None = None,
        longest_seconds: float = MAX_CALL_SECONDS,
    ) -> None:
        self._resolver = resolver
        self._proxy_of = proxy_of or environment_proxy
        self._longest = longest_seconds
        self._shares = FairShares(soft=_CALLS, hard=_MAX_CALLS)
        self._sessions: dict[_Pool, aiohttp.ClientSession] = {}
        self._resolvers: list[AbstractResolver] = []
        self._authorities = authorities or Authorities()
        self._closed = False

    def warm_up(self) -> None:
        """Load the certificate authorities: 60 ms, which may be spent in another thread."""
        self._authorities.load()

    async def request(
        self,
        method: str,
        url: str,
        *,
        limits: Timeouts,
        reach: Reach,
        tenant: str,
        body: str | None = None,
        content_type: str = "application/x-www-form-urlencoded",
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send a request and return the response, with any status; redirects are not followed.

        `reach` says who chose the host, `tenant` whose share of the connections the call uses.

        Raises:
            TransportError: no connection, no response in time, or too long a response.
        """
        sent = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = content_type
        data = None if body is None else body.encode()
        with waiting_for_cloud():
            async with self._shares.slot(tenant):
                return await self.exchange(
                    method, url, limits=limits, reach=reach, body=data, headers=sent
                )

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        limits: Timeouts,
        reach: Reach,
        body: bytes | None,
        headers: Mapping[str, str],
        keep: bool = True,
    ) -> HttpResponse:
        """Send one request exactly as given and return the response; without a share.

        `keep`: over a connection that may have been used before. Raises TransportError.
        """
        target = _target(url)
        host = target.raw_host or ""
        try:
            limits = limits.bounded(self._longest)
            proxy = _proxy(self._proxy_of(target))
            trusted = await self._authorities.context()
            session = self._session(target, reach, proxied=proxy.url is not None, keep=keep)
            async with session.request(
                method,
                target,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=limits.total_seconds,
                    # Including the CONNECT of a proxy and the TLS handshake.
                    connect=limits.connect_seconds,
                    sock_connect=limits.connect_seconds,
                    sock_read=limits.read_seconds,
                ),
                proxy=proxy.url,
                proxy_auth=proxy.credentials,
                # Per request, so that a changed bundle takes effect with the next connection.
                ssl=trusted,
            ) as response:
                named = {name.lower(): value for name, value in response.headers.items()}
                read = await _limited(response, most=limits.most_bytes)
                return HttpResponse(response.status, read, named)
        except (asyncio.CancelledError, TransportError):
            raise
        except Exception as error:  # any exception that a hostile response causes in the library
            if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
                self._authorities.refused()
            text = _describe(error, reach)
            raise TransportError(f"{host}: {text}", cause=error) from None

    async def close(self) -> None:
        """Close open connections; a thread that still retries is refused."""
        self._closed = True
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()
        for resolver in self._resolvers:
            await resolver.close()

    def _session(
        self, target: URL, reach: Reach, *, proxied: bool, keep: bool
    ) -> aiohttp.ClientSession:
        if self._closed:
            raise TransportError("the operator is stopping")
        host = target.raw_host or ""
        literal = is_literal(host)
        if proxied:
            # The proxy resolves the name, and the operator chose the proxy.
            if reach is Reach.PUBLIC or not may_connect_literal(host, reach):
                raise ForbiddenAddressError(errno.EACCES, NOT_REACHED)
            pool = _Pool(Reach.OPERATOR, literal=False, keep=keep)
        else:
            if not may_connect_literal(host, reach):
                raise ForbiddenAddressError(errno.EACCES, NOT_REACHED)
            # Hosts that a tenant names leave no open connections.
            kept = keep and reach in (Reach.OPERATOR, Reach.VENDOR)
            pool = _Pool(reach, literal=literal, keep=kept)
        session = self._sessions.get(pool)
        if session is None:
            session = self._sessions[pool] = self._new_session(pool)
        return session

    def _new_session(self, pool: _Pool) -> aiohttp.ClientSession:
        chosen = pool.reach in (Reach.PUBLIC, Reach.LISTED)
        resolver = self._resolver or Names(threads=_MANY_THREADS if chosen else _FEW_THREADS)
        self._resolvers.append(resolver)

        def guarded(address: Any) -> socket.socket:
            family, kind, protocol, _, place = address
            if not may_connect(str(place[0]), pool.reach, literal=pool.literal):
                raise ForbiddenAddressError(errno.EACCES, NOT_REACHED)
            return socket.socket(family=family, type=kind, proto=protocol)

        connector = aiohttp.TCPConnector(
            # `FairShares` and the threads of AWS calls are the limit.
            limit=0,
            resolver=resolver,
            # A cache of names that tenants choose would be unbounded.
            use_dns_cache=False,
            socket_factory=guarded,
            force_close=not pool.keep,
        )
        bound_answers(connector)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_headers=_MAX_HEADERS,
        )


def may_connect_literal(host: str, reach: Reach) -> bool:
    """Whether a host that needs no DNS may be connected to; True for every other host."""
    if not is_literal(host):
        return True
    address = "127.0.0.1" if host.rstrip(".").lower().startswith(("local", "ip6-")) else host
    return may_connect(address, reach, literal=True)


def _describe(error: Exception, reach: Reach) -> str:
    """A description of a failed request; for a host that a tenant chose, without details."""
    if reach is Reach.PUBLIC or isinstance(error, ForbiddenAddressError):
        return NOT_REACHED
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, ForbiddenAddressError
    ):
        return NOT_REACHED
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, TooLongError):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{type(error).__name__}: {redacted(str(error))}"
    # Messages of other exceptions may quote the response.
    return type(error).__name__


def _target(url: str) -> URL:
    # Unchanged: yarl would decode and encode again what was signed.
    try:
        found = URL(url, encoded=True)
    except ValueError:
        raise TransportError("that is no URL") from None
    if not found.raw_host or found.scheme not in ("http", "https"):
        raise TransportError("that is no URL")
    return found


@dataclass(frozen=True, slots=True)
class _Proxy:
    url: URL | None = None
    credentials: aiohttp.BasicAuth | None = None


def _proxy(found: str | None) -> _Proxy:
    if found is None:
        return _Proxy()
    url = URL(found if "://" in found else f"http://{found}")
    return _Proxy(url.with_user(None), aiohttp.BasicAuth.from_url(url))


async def _limited(response: aiohttp.ClientResponse, *, most: int) -> bytes:
    whole = bytearray()
    async for part in response.content.iter_any():
        whole += part
        if len(whole) > most:
            response.close()
            raise TooLongError(f"the answer has more than {most // 1024} KiB")
    return bytes(whole)
