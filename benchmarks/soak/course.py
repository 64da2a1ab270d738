"""The soak run: two replicas, all grants, and a leader that is killed now and then."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.clients import AdminClient
from benchmarks.worlds import names
from testbed.operators import OperatorProcess
from testbed.readers.ledger import Entry, Name, SecretHistory
from testbed.world import World

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/keywright-system/leases/keywright"
_TELL_EVERY_SECONDS = 10.0
_SAMPLE_SECONDS = 1.0
_PREPARED_SECONDS = 300.0
# The fraction of its lifetime for which a session is used, by the default margin and the jitter.
_RENEWED_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters; `punctual_seconds` is the allowed lateness for one renewal in 100.

    Grants of one of the `sources` share their sessions, and are due together.
    """

    seconds: float = 1200.0
    grants: int = 2000
    sources: int = 100
    life_seconds: int = 30
    lease_seconds: int = 5
    kills: int = 0
    punctual_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory of a replica, at a time since the start."""

    at: float
    replica: str
    pid: int
    leads: bool
    resident: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The results; `kills` are times since 1970, like those of the entries."""

    entries: dict[Name, tuple[Entry, ...]]
    samples: tuple[Sample, ...]
    kills: tuple[float, ...]
    began: float
    ended: float


@dataclass(slots=True)
class Course:
    """`prepared` starts the replicas, `prepare` creates the grants, `run` lasts as planned."""

    plan: Plan
    tell: Callable[[str], None]
    _samples: list[Sample] = field(default_factory=list)
    _kills: list[float] = field(default_factory=list)
    _replicas: dict[str, OperatorProcess] = field(default_factory=dict)
    _world: World | None = None
    _ledger: SecretHistory | None = None
    _began: float = 0.0

    @contextmanager
    def prepared(self, world: World) -> Iterator[Course]:
        """Prepare two replicas and a history of Secrets, in a furnished environment."""
        with SecretHistory(world.cluster.kubeconfig) as ledger:
            self._world, self._ledger = world, ledger
            world.aws.limit_sessions(seconds=self.plan.life_seconds)
            arguments = ["--log-level=warning", f"--lease-seconds={self.plan.lease_seconds}"]
            for identity in ("replica-a", "replica-b"):
                made = world.operator(identity=identity, arguments=arguments)
                made.start()
                self._replicas[identity] = made
            yield self

    async def prepare(self) -> None:
        """Create the grants and wait until each has its Secret and all have been renewed."""
        assert self._world is not None
        assert self._ledger is not None
        async with AdminClient(self._world.cluster) as client:
            await self._create(client)
        self._ledger.wait_until(
            lambda seen: len(seen) == self.plan.grants, seconds=_PREPARED_SECONDS
        )
        self._ledger.wait_until(
            lambda seen: all(n > 1 for n in seen.values()), seconds=_PREPARED_SECONDS
        )
        self.tell(f"{self.plan.grants} grants are Ready and were renewed once")

    async def _create(self, client: AdminClient) -> None:
        """Create one source after the other, spread over the lifetime of a key."""
        made = sorted(names("soak", self.plan.grants, namespaces=self.plan.sources))
        began, pause = time.monotonic(), self.plan.life_seconds * _RENEWED_SHARE / self.plan.sources
        for number, (_, mine) in enumerate(itertools.groupby(made, key=lambda name: name[0])):
            await asyncio.sleep(max(0.0, began + number * pause - time.monotonic()))
            await client.create_grants(mine)

    def run(self) -> None:
        """Sample, report, and kill the leader now and then, in the first half."""
        self._began = clock = time.time()
        pause = self.plan.seconds / 2 / (self.plan.kills + 1)
        next_tell = clock
        while clock - self._began < self.plan.seconds:
            holder = self._holder()
            self._revive(holder)
            self._sample(clock - self._began, holder)
            if clock >= next_tell:
                self._tell(clock - self._began)
                next_tell += _TELL_EVERY_SECONDS
            if len(self._kills) < self.plan.kills and clock >= self._began + pause * (
                len(self._kills) + 1
            ):
                self._kill(holder)
            time.sleep(_SAMPLE_SECONDS)
            clock = time.time()

    def seen(self) -> Seen:
        """All results, from the keys that existed at the start."""
        assert self._ledger is not None
        entries = {name: _since(kept, self._began) for name, kept in self._ledger.entries().items()}
        return Seen(
            entries,
            tuple(self._samples),
            tuple(self._kills),
            self._began,
            time.time(),
        )

    def _holder(self) -> str:
        assert self._world is not None
        return str(self._world.api.get(_LEASE)["spec"].get("holderIdentity", ""))

    def _sample(self, at: float, holder: str) -> None:
        for identity, replica in self._replicas.items():
            if replica.process.exit_code is None:
                self._samples.append(
                    Sample(
                        at,
                        identity,
                        replica.process.pid,
                        leads=identity == holder,
                        resident=replica.memory(),
                    )
                )

    def _tell(self, at: float) -> None:
        assert self._ledger is not None
        renewals = sum(len(kept) - 1 for kept in self._ledger.entries().values())
        memory = ", ".join(
            f"{identity} {replica.memory() / 2**20:.0f} MB"
            for identity, replica in self._replicas.items()
            if replica.process.exit_code is None
        )
        self.tell(f"{at:5.0f} s: {renewals} renewals, {len(self._kills)} kills, {memory}")

    def _kill(self, holder: str) -> None:
        """SIGKILL to the leader."""
        self._kills.append(time.time())
        self._replicas[holder].kill()

    def _revive(self, holder: str) -> None:
        """Restart a killed replica once the other one leads; it could reacquire its own Lease."""
        for identity, replica in self._replicas.items():
            if replica.process.exit_code is not None and identity != holder:
                replica.spawn()


def _since(kept: tuple[Entry, ...], began: float) -> tuple[Entry, ...]:
    """The entry that was current then, and those after it."""
    return kept[max(0, sum(entry.seen <= began for entry in kept) - 1) :]
