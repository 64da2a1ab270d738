"""HTTPS calls that carry a new key to where it must work.

What stands in a grant is only an address: no redirect is followed, so that the key goes nowhere
else, and nothing that only the operator's own machine can reach is asked. Proxies and the CA bundle
are those that botocore uses: HTTPS_PROXY, NO_PROXY and AWS_CA_BUNDLE.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from keywright.planning.failures import Failure, FailureClass

_SECONDS = 10.0
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and the first 4 KB of the body."""

    status: int
    headers: Mapping[str, str]
    head: bytes


class Web:
    """One session for all calls, opened by the first."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, method: str, url: str, *, headers: Mapping[str, str], json: Any = None
    ) -> Answer:
        """The answer, whatever its status.

        Raises Failure where there is none within ten seconds, or where the address is one of the
        operator's own machine or network link.
        """
        host = urlsplit(url).hostname or ""
        if _is_address(host) and not _may_be_asked(host):
            raise _forbidden(host)
        try:
            async with self._opened().request(
                method, url, headers=headers, json=json, allow_redirects=False
            ) as answer:
                return Answer(
                    status=answer.status,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    head=await answer.content.read(_HEAD),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(getattr(error, "os_error", None), _ForbiddenError):
                raise _forbidden(host) from None
            raise Failure(
                f"{host} did not answer ({type(error).__name__}).",
                kind=FailureClass.RETRY,
                reason="Unreachable",
            ) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, resolver=_GuardedResolver()),
                timeout=aiohttp.ClientTimeout(total=_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
                headers={"User-Agent": "keywright"},
            )
        return self._session


class _ForbiddenError(OSError):
    """The name stands for an address that is not asked."""


class _GuardedResolver(AbstractResolver):
    """Names, but for those of loopback and link-local addresses; proxies may have one."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()
        self._proxies = {urlsplit(proxy).hostname for proxy in getproxies().values()}

    async def resolve(
        self, host: str, port: int = 0, *args: Any, **kwargs: Any
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, *args, **kwargs)
        if host in self._proxies:
            return found
        if not all(_may_be_asked(each["host"]) for each in found):
            raise _ForbiddenError
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _may_be_asked(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        found = mapped
    return not (
        found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast
    )


def _forbidden(host: str) -> Failure:
    return Failure(
        f"{host} is an address of the operator's own machine or link, which is never asked.",
        kind=FailureClass.CONFIGURATION,
        reason="AddressForbidden",
        cure="Name one that other machines can reach.",
    )
