"""`make attack`: a hostile tenant beside honest ones, for two minutes, beside a quiet baseline."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from benchmarks.measures import Row
from testbed.certificates import Authority
from testbed.clusters.controlplane import ControlPlaneCluster
from testbed.operators import OperatorProcess
from testbed.processes import ChildProcess, accepts_connections, free_port
from testbed.readers.ledger import Entry, SecretHistory
from testbed.world import CRDS, ROOT, World
from tests.attack import objects
from tests.attack.verdict import Attacker, Phase, Sample, rows
from tests.cluster.tenants import Tenant

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/keywright-system/leases/keywright"
_LAG_LINE = re.compile(r"event loop lag error: no turn for [0-9]+ ms, in ([^\"\n]+)")
_LAG = "keywright_event_loop_lag_seconds"
_LIFETIME_SECONDS = 30
_HONEST_TENANTS = 10
_KEYS_EACH = 3
_FLOOD_GRANTS = 400
_WATCHED_NAMESPACES = 60
_READY_SECONDS = 60.0
_SAMPLE_SECONDS = 1.0
_TELL_EVERY = 10


@dataclass(slots=True)
class Stage:
    """A world with honest tenants, and the operator under attack."""

    world: World
    operator: OperatorProcess
    ledger: SecretHistory
    console: Console
    authority: Authority
    port: int = field(default_factory=free_port)

    @property
    def endpoint(self) -> str:
        """Where the hostile endpoints listen."""
        return f"https://127.0.0.1:{self.port}"

    def phase(self, name: str, *, seconds: float) -> Phase:
        """Watch for so long; one line of progress every ten samples."""
        began, before = time.time(), self._lag()
        samples: list[Sample] = []
        while time.time() - began < seconds:
            samples.append(self._sample())
            if len(samples) % _TELL_EVERY == 1:
                self.console.print(
                    f"{name}: {time.time() - began:4.0f} s, {samples[-1].resident / 2**20:.0f} MB,"
                    f" /livez {samples[-1].live}"
                )
            time.sleep(_SAMPLE_SECONDS)
        return Phase(
            entries={key: _since(kept, began) for key, kept in self.ledger.entries().items()},
            samples=samples,
            lag_seconds=_quantile(before, self._lag(), share=0.99),
            ended=time.time(),
        )

    def _sample(self) -> Sample:
        spec = self.world.api.get(_LEASE)["spec"]
        try:
            live = self.operator.get("/livez").strip()
        except OSError as error:
            live = str(error)
        return Sample(
            live=live,
            resident=self.operator.memory(),
            holder=str(spec.get("holderIdentity")),
            transitions=int(spec.get("leaseTransitions") or 0),
        )

    def _lag(self) -> dict[float, float]:
        """Beats of the event loop by the upper bound of their lag, as a cumulative histogram."""
        return {
            float(sample.labels["le"]): sample.value
            for family in text_string_to_metric_families(self.operator.get("/metrics"))
            for sample in family.samples
            if sample.name == f"{_LAG}_bucket"
        }

    @contextmanager
    def attacked(self) -> Iterator[None]:
        """With the hostile processes at work."""
        objects.prepare(self.world.api, count=_WATCHED_NAMESPACES)
        certificate = self.authority.issue("endpoints", hosts=["127.0.0.1"])
        directory = self.world.directory
        with ExitStack() as running:
            running.enter_context(
                self._hostile(
                    "endpoints",
                    f"--port={self.port}",
                    f"--certificate={certificate.certificate}",
                    f"--key={certificate.key}",
                    f"--report={directory / 'endpoints.json'}",
                )
            ).wait_until(lambda: accepts_connections(self.port), seconds=30)
            running.enter_context(
                self._hostile(
                    "objects",
                    f"--kubeconfig={self.world.cluster.kubeconfig}",
                    f"--endpoint={self.endpoint}",
                    f"--grants={_FLOOD_GRANTS}",
                    f"--namespaces={_WATCHED_NAMESPACES}",
                    f"--report={directory / 'objects.json'}",
                )
            )
            yield

    @contextmanager
    def _hostile(self, name: str, *arguments: str) -> Iterator[ChildProcess]:
        process = ChildProcess(
            name,
            [sys.executable, "-m", f"tests.attack.{name}", *arguments],
            log=self.world.directory / f"{name}.log",
            environment={**os.environ, "PYTHONPATH": os.pathsep.join(("operator", "."))},
            directory=ROOT,
        )
        try:
            yield process
        finally:
            process.stop(seconds=20)

    def culprits(self) -> list[str]:
        """The places in the code that held up the event loop, the most frequent first."""
        places = Counter(
            found[1] for found in _LAG_LINE.finditer(self.operator.log.read_text(errors="replace"))
        )
        return [f"{count} times {place}" for place, count in places.most_common(3)]

    def attacker(self) -> Attacker:
        """What the hostile processes have written down."""
        seen = json.loads((self.world.directory / "endpoints.json").read_text())
        sent = json.loads((self.world.directory / "objects.json").read_text())
        for line in sent["refused"][:5]:
            self.console.print(f"refused at apply: {line}", markup=False, highlight=False)
        return Attacker(seen["requests"], seen["externalIds"], sent["accepted"])


@contextmanager
def staged(console: Console) -> Iterator[Stage]:
    """Honest tenants whose keys have been renewed once."""
    with ExitStack() as running:
        world = running.enter_context(World(partial(ControlPlaneCluster, crds=CRDS, audit=False)))
        world.aws.limit_sessions(seconds=_LIFETIME_SECONDS)
        ledger = running.enter_context(
            SecretHistory(
                world.cluster.kubeconfig,
                ignored=lambda namespace: namespace.startswith(objects.HOME),
            )
        )
        authority = Authority(world.directory / "hostile", name="hostile")
        stage = Stage(
            world=world,
            operator=_operator(world, authority, port := free_port()),
            ledger=ledger,
            console=console,
            authority=authority,
            port=port,
        )
        stage.operator.start()
        for number in range(_HONEST_TENANTS):
            tenant = Tenant(world, name=f"honest-{number}")
            tenant.prepare()
            tenant.apply_source()
            for key in range(_KEYS_EACH):
                tenant.apply_grant(name=f"key-{key}")
        count = _HONEST_TENANTS * _KEYS_EACH
        ledger.wait_until(
            lambda seen: len(seen) == count and min(seen.values()) > 1, seconds=_READY_SECONDS
        )
        yield stage


def _operator(world: World, authority: Authority, port: int) -> OperatorProcess:
    """As shipped, but for the flags that let the attack through where flags can."""
    trusted = world.directory / "trusted.pem"
    own = world.client_environment()["AWS_CA_BUNDLE"]
    trusted.write_text(Path(own).read_text() + authority.certificate.read_text())
    return world.operator(
        arguments=[
            "--log-level=warning",
            "--min-key-lifetime=20s",
            f"--allow-sts-endpoint=https://127.0.0.1:{port}/",
            f"--allow-credentials-uri=https://127.0.0.1:{port}/",
        ],
        environment={"AWS_CA_BUNDLE": str(trusted), "NO_PROXY": "127.0.0.1"},
    )


def _since(kept: tuple[Entry, ...], began: float) -> tuple[Entry, ...]:
    """The entry that stood then, and those that came after it."""
    return kept[max(0, sum(entry.seen <= began for entry in kept) - 1) :]


def _quantile(
    before: Mapping[float, float], after: Mapping[float, float], *, share: float
) -> float:
    """The upper bound of the bucket in which the quantile of the beats between two scrapes lies."""
    counts = {bound: count - before.get(bound, 0.0) for bound, count in sorted(after.items())}
    total = max(counts.values())
    return next(bound for bound, count in counts.items() if count >= share * total)


def _table(found: list[Row]) -> Table:
    table = Table("measure", "figure", "goal", "met")
    for row in found:
        table.add_row(row.what, row.figure, row.goal, ("yes" if row.met else "NO") * bool(row.goal))
    return table


def main() -> int:
    """0 where every goal was met."""
    parser = argparse.ArgumentParser(prog="tests.attack", description=__doc__)
    parser.add_argument("--quiet-seconds", type=float, default=45.0, help="of the baseline")
    parser.add_argument("--attack-seconds", type=float, default=120.0, help="of the attack")
    options = parser.parse_args()
    console = Console()
    began = time.monotonic()
    with staged(console) as stage:
        quiet = stage.phase("quiet", seconds=options.quiet_seconds)
        with stage.attacked():
            attacked = stage.phase("attacked", seconds=options.attack_seconds)
        found = rows(quiet, attacked, attacker=stage.attacker(), keys=_HONEST_TENANTS * _KEYS_EACH)
        for line in stage.culprits():
            console.print(f"event loop: {line}", markup=False, highlight=False)
    console.print(_table(found))
    console.print(f"took {time.monotonic() - began:.0f} s in all")
    failed = sum(not row.met for row in found)
    console.print(f"{len(found) - failed} passed, {failed} failed", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
