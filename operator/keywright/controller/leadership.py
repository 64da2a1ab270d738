"""Leader election on a Lease: one replica is active, the others are standbys.

The rules of client-go's leader election: the leader renews every `retry` seconds and stops working
if it could not renew for `renew_deadline`; others acquire the Lease once it has not changed for
`duration` by their own monotonic clock, so that clocks are never compared. A Lease does not fence,
so every write calls `check()` first, and once more when its body is sent (KubernetesClient's
`fence`). The check depends on time only, not on a task: a process that was frozen is no longer the
leader before it can do anything. A process that loses the Lease resets the connections of its
writes, so that none arrives late after a network partition.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from keywright.api.errors import ApiError, ApiUnreachableError, LostLeaseError
from keywright.cluster.leases import Leases, LeaseState

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimings:
    """Timings in seconds; `duration` is what other replicas wait after the last renewal."""

    duration: int = 15
    renew_deadline: float = 10.0
    retry: float = 2.0

    @classmethod
    def of(cls, duration: int) -> LeaseTimings:
        """The default proportions for another duration."""
        return cls(duration=duration, renew_deadline=duration * 2 / 3, retry=duration * 2 / 15)


class LeaderElector:
    """Elects this process as the leader. `elected` is set while it is."""

    def __init__(
        self,
        leases: Leases,
        *,
        identity: str,
        timing: LeaseTimings,
        monotonic: Callable[[], float],
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._timing = timing
        self._monotonic = monotonic
        self._lease_valid_until = float("-inf")
        self._mine: LeaseState | None = None
        self._observed: tuple[LeaseState | None, float] | None = None
        self._end: asyncio.TimerHandle | None = None
        self.elected = asyncio.Event()

    def holds(self) -> bool:
        """Whether this process holds the Lease at this moment."""
        return self._monotonic() < self._lease_valid_until

    def check(self) -> None:
        """Raise LostLeaseError unless this process holds the Lease."""
        if not self.holds():
            raise LostLeaseError

    async def run(self) -> None:
        """Acquire the Lease, then renew it; runs until it is lost, then raises LostLeaseError."""
        while not await self._try():  # noqa: ASYNC110  the API server sets the condition
            await asyncio.sleep(self._timing.retry)
        _LOG.info("this replica is the leader", extra={"identity": self._identity})
        self.elected.set()
        try:
            await self._renew_loop()
        finally:
            self.elected.clear()

    async def release_lease(self) -> None:
        """Release the Lease, so that another replica takes over immediately."""
        mine, self._mine = self._mine, None
        self._lease_valid_until = float("-inf")
        if self._end is not None:
            self._end.cancel()
        if mine is not None:
            try:
                if await self._leases.write(mine, holder="", seconds=1) is None:
                    await self._resign_what_is_there()
            except (ApiError, ApiUnreachableError) as error:
                _LOG.warning("the Lease could not be released: %s", error)

    async def _resign_what_is_there(self) -> None:
        """Release the current Lease: a cancelled renewal may have written a newer version."""
        found = await self._leases.read()
        if found is not None and found.holder == self._identity:
            await self._leases.write(found, holder="", seconds=1)

    async def _renew_loop(self) -> None:
        renewed = True
        while True:
            await asyncio.sleep(min(self._timing.retry, self._until(renewed=renewed)))
            if renewed or self.holds():
                renewed = await self._renew_before_deadline()
            if renewed:
                self.elected.set()
            elif self._mine is None or not self.holds():
                self._lease_valid_until = float("-inf")
                raise LostLeaseError

    def _until(self, *, renewed: bool) -> float:
        """How long a pause may be: leadership that is not renewed ends at the renew deadline."""
        return (
            self._timing.retry if renewed else max(0.0, self._lease_valid_until - self._monotonic())
        )

    async def _renew_before_deadline(self) -> bool:
        """Try to renew once, until the renew deadline.

        Others wait longer than that, so that work in progress here ends before they begin. A
        process that was frozen past the deadline still tries: no other replica may have taken over.
        """
        remaining = self._lease_valid_until - self._monotonic()
        try:
            async with asyncio.timeout(remaining if remaining > 0 else None):
                return await self._try()
        except TimeoutError:
            return False

    async def _try(self) -> bool:
        """Try to acquire or renew once; leadership counts from before the request was sent."""
        requested_at = self._monotonic()
        try:
            if self._mine is not None:
                written = await self._write(self._mine)
            else:
                written = await self._take(requested_at)
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("the Lease could not be renewed: %s", error)
            return False
        if written is None:
            return False
        self._lease_valid_until = requested_at + self._timing.renew_deadline
        self._watch_the_end()
        return True

    def _watch_the_end(self) -> None:
        """Stop work at the end of the leadership, even before its loss is noticed."""
        if self._end is not None:
            self._end.cancel()
        remaining = self._lease_valid_until - self._monotonic()
        self._end = asyncio.get_running_loop().call_later(remaining, self.elected.clear)

    async def _take(self, now: float) -> LeaseState | None:
        found = await self._leases.read()
        if found is not None and found.holder not in ("", self._identity):
            if self._observed is None or self._observed[0] != found:
                self._observed = (found, now)
            if now - self._observed[1] < self._timing.duration:
                return None
        return await self._write(found)

    async def _write(self, previous: LeaseState | None) -> LeaseState | None:
        """Write the Lease for this process; None, and no claim, if another replica was faster."""
        self._mine = await self._leases.write(
            previous, holder=self._identity, seconds=self._timing.duration
        )
        return self._mine


class AlwaysLeader:
    """The elector for a single replica without a Lease."""

    def __init__(self) -> None:
        self.elected = asyncio.Event()

    def holds(self) -> bool:
        """Always true."""
        return True

    def check(self) -> None:
        """Do nothing: there is no Lease."""

    async def run(self) -> None:
        """Leader from the start."""
        self.elected.set()
        await asyncio.Event().wait()

    async def release_lease(self) -> None:
        """Do nothing: there is no Lease."""
