"""The connections of calls to clouds: their proxies, and the authorities that they trust.

NO_PROXY has the format of Go's net/http and requests: names with all their subdomains, names with a
leading dot or `*.` for the subdomains only, IP addresses, CIDRs, each with an optional port, and
`*` for every host. Loopback addresses never use a proxy.

A mounted bundle of certificates changes while the process runs (trust-manager rotates it). The
bundle is read again once its file has changed, and after a certificate was rejected; at most every
ten seconds. If a bundle is unreadable, the previous one stays in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.request import getproxies

import certifi
from yarl import URL

ProxyOf = Callable[[URL], str | None]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_ANY: Final = "*"


def environment_proxy(url: URL) -> str | None:
    """The proxy in the process's environment for a URL; None without one."""
    return proxy_in(getproxies(), url)


def proxy_in(variables: Mapping[str, str], url: URL) -> str | None:
    """The proxy for a URL by the variables `https`, `http` and `no` (getproxies)."""
    found = variables.get(url.scheme)
    if not found or is_excluded(url, no_proxy=variables.get("no", "")):
        return None
    return found


def is_excluded(url: URL, *, no_proxy: str) -> bool:
    """Whether the host must be connected to directly."""
    host = (url.host or "").rstrip(".").lower()
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_covers(entry, host=host, address=address, port=url.port) for entry in entries)


def _covers(entry: str, *, host: str, address: _Address | None, port: int | None) -> bool:
    if not entry:
        return False
    if entry == _ANY:
        return True
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    name, wanted = _parted(entry)
    if wanted is not None and wanted != port:
        return False
    excepted = _address(name)
    if excepted is not None or address is not None:
        return excepted == address
    if name.startswith("*."):
        name = name[1:]
    if name.startswith("."):
        return host.endswith(name)
    return host == name or host.endswith(f".{name}")


def _in_network(address: _Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _parted(entry: str) -> tuple[str, int | None]:
    """Host and port; an IPv6 address contains colons and needs brackets before a port."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, _port(rest.removeprefix(":"))
    if entry.count(":") == 1:
        name, _, text = entry.partition(":")
        return name.rstrip("."), _port(text)
    return entry.rstrip("."), None


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


_LOG: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0
_RELOAD_SECONDS: Final = 10.0
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES256:ECDHE+AES128"
_State = tuple[tuple[int, int, int], ...]


def bundle_of_environment() -> str | None:
    """The file of AWS_CA_BUNDLE or REQUESTS_CA_BUNDLE, trusted in addition to the system's."""
    return os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or None


class Authorities:
    """The TLS context for all connections to clouds; `bundle` is an additional PEM file.

    `clock` is a monotonic one, in seconds.
    """

    def __init__(
        self, *, bundle: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bundle = bundle or bundle_of_environment()
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self._state: _State = ()
        self._looked_at = self._loaded_at = float("-inf")
        self._refused = False
        self._loading = asyncio.Lock()

    def load(self) -> ssl.SSLContext:
        """Load the bundles on the first call: 60 ms, which may be spent in another thread.

        Raises:
            OSError: a bundle is unreadable or invalid; also as ssl.SSLError.
        """
        if self._context is None:
            self._load()
        assert self._context is not None
        return self._context

    async def context(self) -> ssl.SSLContext:
        """The context of the current bundles, at most a second old."""
        if self._context is None:
            async with self._loading:
                return await asyncio.to_thread(self.load)
        if self._is_due() and not self._loading.locked():
            async with self._loading:
                await asyncio.to_thread(self._reload)
        return self._context

    def refused(self) -> None:
        """Note that a certificate was not trusted: the bundle may have changed unnoticed."""
        self._refused = True

    def _is_due(self) -> bool:
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        changed = self._refused or self._files() != self._state
        return changed and now - self._loaded_at >= _RELOAD_SECONDS

    def _reload(self) -> None:
        try:
            self._load()
        except OSError as error:
            _LOG.warning(
                "reading the CA bundle failed, retrying: %s; the former one stays in use",
                type(error).__name__,
            )

    def _load(self) -> None:
        self._loaded_at, self._refused = self._clock(), False
        state = self._files()
        context = ssl.create_default_context()
        # No DHE: the server chooses the size of its group, and the event loop pays for it.
        context.set_ciphers(_CIPHERS)
        # In addition to those of the system, which a small image may lack.
        context.load_verify_locations(certifi.where())
        if self._bundle:
            context.load_verify_locations(self._bundle)
        self._context, self._state = context, state

    def _files(self) -> _State:
        """Inode, time and size of each bundle: the kubelet replaces a mounted file by a link."""
        paths = ssl.get_default_verify_paths()
        found = []
        for path in (paths.cafile, paths.capath, self._bundle):
            if path:
                with contextlib.suppress(OSError):
                    stat = Path(path).stat()
                    found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)
