"""HTTP at the edge of the clouds: one session, bounded answers, no redirects, real time limits.

The SDKs' own calls block a thread each, and answers are read whole, however large. Of the process's
environment only the network's own variables count (HTTPS_PROXY, HTTP_PROXY, NO_PROXY,
SSL_CERT_FILE, AWS_CA_BUNDLE), as botocore has it; not aiohttp's `trust_env`, which would send what
stands in the operator's netrc file to hosts that a tenant names.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override
from yarl import URL

from keywright.clouds.scrubbing import scrubbed

_CONNECTIONS = 32
_MOST_BYTES = 64 * 1024
_AGENT = "keywright"


class NoAnswerError(Exception):
    """There is no answer, or none that could be read; the text says why and has no secret in it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds: for the connection, and for each part of the answer."""

    connect_seconds: float
    read_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body of at most 64 KiB, and headers by names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpCalls:
    """Requests of whatever host; made in the loop that first uses it, and closed there.

    `resolver` is whoever knows the addresses of names: the system, unless told otherwise.
    """

    def __init__(self, *, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._guarded: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        limits: Limits,
        body: str | None = None,
        content_type: str = "application/x-www-form-urlencoded",
        headers: Mapping[str, str] | None = None,
        guarded: bool = False,
    ) -> Answer:
        """The answer, whatever its status; a redirect is an answer like any other.

        `guarded`: a name that stands for this host or its neighbourhood is not followed.

        Raises:
            NoAnswerError: no connection, no answer in time, or too long a one.
        """
        target = _target(url)
        proxy = _proxy(target)
        sent = {"User-Agent": _AGENT, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(
            total=limits.connect_seconds + 2 * limits.read_seconds,
            sock_connect=limits.connect_seconds,
            sock_read=limits.read_seconds,
        )
        try:
            async with self._opened(guarded=guarded).request(
                method,
                target,
                data=body,
                headers=sent,
                allow_redirects=False,
                timeout=timeout,
                proxy=proxy.url,
                proxy_auth=proxy.credentials,
            ) as response:
                named = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, await _limited(response), named)
        except TimeoutError:
            raise NoAnswerError(f"{target.host} did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = scrubbed(str(error))
            raise NoAnswerError(f"{target.host}: {type(error).__name__}: {text}") from None

    async def close(self) -> None:
        """Close what is open."""
        for session in (self._session, self._guarded):
            if session is not None:
                await session.close()

    def _opened(self, *, guarded: bool) -> aiohttp.ClientSession:
        if guarded:
            if self._guarded is None:
                self._guarded = _new_session(_Guard(self._resolver or aiohttp.ThreadedResolver()))
            return self._guarded
        if self._session is None:
            self._session = _new_session(self._resolver)
        return self._session


class _Guard(AbstractResolver):
    """Names that stand for addresses of the world, or of the cluster; `localhost` is no surprise.

    Whoever owns a name may let it stand for the node's metadata service.
    """

    def __init__(self, names: AbstractResolver) -> None:
        self._names = names

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        allowed = [one for one in found if host == "localhost" or not _is_near(one["host"])]
        if not allowed:
            told = "the name stands for a loopback or link-local address"
            raise OSError(errno.EACCES, told)
        return allowed

    @override
    async def close(self) -> None:
        await self._names.close()


def _is_near(address: str) -> bool:
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    near = found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast
    return near or str(found) == "100.100.100.200"


def is_own_machine(url: str) -> bool:
    """Whether a URL names, by number or as localhost, the operator's own machine or link."""
    host = _target(url).host or ""
    try:
        return host == "localhost" or _is_near(host)
    except ValueError:
        return False


def _target(url: str) -> URL:
    # As it stands: yarl would decode and encode anew what was signed.
    try:
        return URL(url, encoded=True)
    except ValueError:
        raise NoAnswerError("that is no URL") from None


@dataclass(frozen=True, slots=True)
class _Proxy:
    url: URL | None = None
    credentials: aiohttp.BasicAuth | None = None


def _proxy(target: URL) -> _Proxy:
    """The proxy that the process's environment names for the target, if it does."""
    host = target.host or ""
    found = getproxies().get(target.scheme)
    if not found or proxy_bypass(host):
        return _Proxy()
    url = URL(found if "://" in found else f"http://{found}")
    return _Proxy(url.with_user(None), aiohttp.BasicAuth.from_url(url))


def _new_session(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    trusted = ssl.create_default_context()
    # Beside those of the system, which a small image may not have.
    trusted.load_verify_locations(certifi.where())
    own = os.environ.get("AWS_CA_BUNDLE")
    if own:
        trusted.load_verify_locations(own)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=trusted, resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    whole = bytearray()
    async for part in response.content.iter_any():
        whole += part
        if len(whole) > _MOST_BYTES:
            response.close()
            raise ValueError(f"the answer has more than {_MOST_BYTES // 1024} KiB")
    return bytes(whole)
