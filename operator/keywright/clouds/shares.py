"""A fair, work-conserving limit on what runs at once, by tenant."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairShares:
    """Slots for calls; a tenant is a namespace.

    One tenant may take all `soft` slots while no other tenant wants one. Above that, a tenant with
    fewer running calls than its share (`soft` divided by the active tenants, at least one) still
    starts at once, up to `hard` calls altogether: a newly arriving tenant does not wait for the
    slow calls of others. A free slot goes to the waiting tenant with the fewest running calls.
    """

    def __init__(self, *, soft: int, hard: int) -> None:
        self._soft = soft
        self._hard = max(soft, hard)
        self._running: dict[str, int] = {}
        self._total = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncIterator[None]:
        """Hold a slot for the body of the `async with`."""
        await self.acquire(tenant)
        try:
            yield
        finally:
            self.release(tenant)

    async def acquire(self, tenant: str) -> None:
        """Return when the tenant may start one more call; `release` must follow."""
        if tenant not in self._waiting and self._may_start(tenant):
            self._start(tenant)
            return
        slot = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(slot)
        # A new tenant makes the shares smaller, and may be due to start itself.
        self._hand_out()
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.release(tenant)
            else:
                self._drop(tenant, slot)
            raise

    def release(self, tenant: str) -> None:
        """Give the slot back."""
        self._total -= 1
        left = self._running[tenant] - 1
        if left:
            self._running[tenant] = left
        else:
            del self._running[tenant]
        self._hand_out()

    @property
    def running(self) -> int:
        """How many calls run."""
        return self._total

    def _may_start(self, tenant: str) -> bool:
        running = self._running.get(tenant, 0)
        if self._total < self._soft:
            return True
        active = len(self._running.keys() | self._waiting.keys() | {tenant})
        return self._total < self._hard and running < max(1, self._soft // active)

    def _start(self, tenant: str) -> None:
        self._running[tenant] = self._running.get(tenant, 0) + 1
        self._total += 1

    def _hand_out(self) -> None:
        while self._waiting:
            tenant = min(self._waiting, key=lambda name: self._running.get(name, 0))
            if not self._may_start(tenant):
                return
            slot = self._waiting[tenant].popleft()
            # The tenant goes to the end: equals take turns.
            others = self._waiting.pop(tenant)
            if others:
                self._waiting[tenant] = others
            if not slot.done():
                self._start(tenant)
                slot.set_result(None)

    def _drop(self, tenant: str, slot: asyncio.Future[None]) -> None:
        queue = self._waiting.get(tenant)
        if queue is not None:
            queue.remove(slot)
            if not queue:
                del self._waiting[tenant]
