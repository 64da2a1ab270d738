"""DNS lookups of API servers, in a dedicated thread.

The threads of the event loop also look up the hosts in tenants' sources: a DNS server that does not
respond must not block the operator from its API server, nor from its Lease.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult


class OwnThreadResolver(AbstractResolver):
    """One lookup at a time; the thread starts with the first one, and addresses need none."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="names of API servers")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look up the addresses of a host; raises OSError if there are none."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, family=family)
        found = await asyncio.get_running_loop().run_in_executor(self._thread, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """End the thread, without waiting for a lookup in progress."""
        self._thread.shutdown(wait=False, cancel_futures=True)
