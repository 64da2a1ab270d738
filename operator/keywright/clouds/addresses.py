"""The addresses that calls of the operator may reach, and the resolver that checks them."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Metadata services that are not link-local: those of Alibaba Cloud, of EC2 and Google over IPv6, of
# Oracle bare metal, and Azure's WireServer, which returns certificates and settings of the machine.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            *("100.100.100.200", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
            *("192.0.0.192", "168.63.129.16"),
        ),
    )
)
# Special purpose (IANA registries), independent of the Python version, whose `is_global` changed
# with security releases. Only the anycast addresses of RFC 7723 and 8155 are lost.
_SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
            *("::/16", "100::/48", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
            *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
        ),
    )
)
# RFC 5214, section 6.1: an interface identifier whose last 32 bits are an IPv4 address (ISATAP).
_ISATAP: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
# An IPv4 address in the last 32 bits: RFC 6052 (NAT64), RFC 2765 (SIIT).
_TRANSLATED: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96")))
# RFC 8215: also in the 32 bits after the prefix, around byte 8 (RFC 6052, section 2.2).
_LOCAL_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_LOCAL_NAMES: Final = ("localhost", "ip6-localhost", "ip6-loopback")


class Reach(enum.Enum):
    """Who chose the host of a request, which determines the allowed addresses."""

    OPERATOR = "operator"
    """Fixed in the code or in the operator's own environment: any address."""
    VENDOR = "vendor"
    """A cloud's own host, also by a private link: no address of this machine or its link."""
    LISTED = "listed"
    """On a list in the operator's flags: as VENDOR; an address in the list is allowed as well."""
    PUBLIC = "public"
    """Chosen by a tenant: only global addresses, and not through a proxy."""


def may_connect(address: str, reach: Reach, *, literal: bool = False) -> bool:
    """Whether a request of this reach may connect to the address.

    `literal`: the address, or `localhost`, is the host of the URL itself and not a DNS answer.
    """
    if reach is Reach.OPERATOR or (reach is Reach.LISTED and literal):
        return True
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    every = _with_embedded(found)
    if any(map(_is_internal_address, every)):
        return False
    return reach is not Reach.PUBLIC or all(map(_is_global, every))


def is_literal(host: str) -> bool:
    """Whether a host needs no DNS: an address, or a name of this machine."""
    if host.rstrip(".").lower() in _LOCAL_NAMES:
        return True
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _is_global(address: Address) -> bool:
    return address.is_global and not any(
        address in network for network in _SPECIAL if network.version == address.version
    )


def _is_internal_address(address: Address) -> bool:
    """Whether an address belongs to this machine, its link, its metadata service, or a group."""
    near = address.is_loopback or address.is_link_local or address.is_unspecified
    return near or address.is_multicast or address in _METADATA or _is_this_network(address)


def _is_this_network(address: Address) -> bool:
    # 0.0.0.0/8: Linux treats some of it as the machine itself.
    return address.version == 4 and address.packed[0] == 0


def _with_embedded(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that a translator on the path would convert it to."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    mapped = address.ipv4_mapped
    if mapped is not None:
        return [mapped]
    last: Address = ipaddress.IPv4Address(address.packed[-4:])
    # The prefix itself is not global; the address behind the translator decides.
    if any(address in network for network in _TRANSLATED):
        return [last]
    if address in _LOCAL_NAT64:
        after = address.packed[6:8] + address.packed[9:11]
        return [last, ipaddress.IPv4Address(after)] if any(after) else [last]
    if address in _COMPATIBLE:
        return [address, last]
    embedded: list[Address] = [address]
    if address.sixtofour is not None:
        embedded.append(address.sixtofour)
    if address.teredo is not None:
        embedded.extend(address.teredo)
    if address.packed[8:12] in _ISATAP:
        embedded.append(last)
    return embedded


class Names(AbstractResolver):
    """The system's DNS in separate threads: a DNS server that hangs blocks nothing else."""

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dns")

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._pool,
            lambda: socket.getaddrinfo(
                host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            ),
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(place[0]),
                port=int(place[1]),
                family=found_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found_family, _, protocol, _, place in found
        ]

    @override
    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
