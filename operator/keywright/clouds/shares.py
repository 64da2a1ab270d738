"""A fair, work-conserving concurrency limit, by tenant."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from keywright.clouds.slots import PATIENCE_SECONDS, Slot, Slots


@dataclass(frozen=True, slots=True)
class Share:
    """The permission for one call; it counts as waiting for its response from the start."""

    tenant: str
    slot: Slot


class FairShares:
    """Slots for calls; a tenant is a namespace.

    One tenant may use all `soft` slots while no other tenant needs one. Calls that have run for
    longer than `patience_seconds` do not count for a tenant with fewer running calls than its share
    (`soft` divided by the active tenants, at least one), up to `hard` calls in total: no tenant
    waits for the slow calls of others. A free slot is given to the waiting tenant with the fewest
    running calls.
    """

    def __init__(self, *, soft: int, hard: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._soft = soft
        self._hard = max(soft, hard)
        self._slots = Slots(patience_seconds=patience_seconds)
        self._running: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[Share]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncIterator[None]:
        """Hold a slot for the body of the `async with`."""
        share = await self.acquire(tenant)
        try:
            yield
        finally:
            self.release(share)

    async def acquire(self, tenant: str) -> Share:
        """Wait until the tenant may start one more call; `release` must follow."""
        if tenant not in self._waiting and self._may_start(tenant):
            return self._start(tenant)
        turn: asyncio.Future[Share] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        # A new tenant makes the shares smaller, and may be able to start itself.
        self._hand_out()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(turn.result())
            else:
                self._drop(tenant, turn)
            raise

    def release(self, share: Share) -> None:
        """Release the slot."""
        self._slots.free(share.slot)
        left = self._running[share.tenant] - 1
        if left:
            self._running[share.tenant] = left
        else:
            del self._running[share.tenant]
        self._hand_out()

    @property
    def running(self) -> int:
        """The number of running calls."""
        return len(self._slots)

    def _may_start(self, tenant: str) -> bool:
        if len(self._slots) < self._soft:
            return True
        if len(self._slots) >= self._hard or self._slots.prompt() >= self._soft:
            return False
        active = len(self._running.keys() | self._waiting.keys() | {tenant})
        return self._running.get(tenant, 0) < max(1, self._soft // active)

    def _start(self, tenant: str) -> Share:
        self._running[tenant] = self._running.get(tenant, 0) + 1
        slot = self._slots.take()
        self._slots.begin_wait(slot)
        return Share(tenant, slot)

    def _hand_out(self) -> None:
        while self._waiting:
            tenant = min(self._waiting, key=lambda name: self._running.get(name, 0))
            if not self._may_start(tenant):
                self._look_again()
                return
            turn = self._waiting[tenant].popleft()
            # The tenant moves to the end: equals alternate.
            others = self._waiting.pop(tenant)
            if others:
                self._waiting[tenant] = others
            if not turn.done():
                turn.set_result(self._start(tenant))

    def _look_again(self) -> None:
        """Assign slots again when a call becomes slow, if that may help waiting tenants."""
        if self._timer is None and self._slots.prompt() and len(self._slots) < self._hard:
            seconds = self._slots.seconds_until_slow()
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._hand_out()

    def _drop(self, tenant: str, turn: asyncio.Future[Share]) -> None:
        queue = self._waiting.get(tenant)
        if queue is not None:
            queue.remove(turn)
            if not queue:
                del self._waiting[tenant]
