"""The proxy for a host, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

NO_PROXY has the format of Go's net/http and requests: names with all their subdomains, names with a
leading dot or `*.` for the subdomains only, IP addresses, CIDRs, each with an optional port, and
`*` for every host. Loopback addresses never use a proxy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Final
from urllib.request import getproxies

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
