"""The stage of the fault matrix: short-lived grants, an operator behind a proxy, and who watches.

Keys are renewed so often that each row meets their renewal, and live several times as long as any
fault of a few seconds lasts: what is left is for the machine, which may be busy. A ledger follows
every Secret, and a reader of its own calls the cloud with one of the keys all the while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from testbed.faults import FaultProxy
from testbed.operators import NAMESPACE, SERVICE_ACCOUNT, OperatorProcess
from testbed.readers import PollingReader
from testbed.readers.ledger import Entry, Name, SecretHistory, expired, needless
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Document, Tenant, condition
from tests.unit.replace import replace

_GRANTS = [f"grant-{number:02}" for number in range(10)]
_TENANTS = 2
_NEWCOMER = "newcomer"
# The longest back-off of a grant that was refused a handful of times, on a busy machine.
PATIENCE_SECONDS = 60.0
# Due after three to five seconds, by the jitter, and nineteen before its end.
SESSION_SECONDS = 24
MARGIN = "80%"
_FRESH_FRACTION = 0.85
# What AWS gives a session that asks for nothing less.
_AT_LEAST_SECONDS = 900.0
_ALL = "/apis/keywright.dev/v1alpha1/apikeygrants"


@dataclass(frozen=True)
class Stage:
    """What a row of the matrix may break and look at."""

    world: World
    proxy: FaultProxy
    operator: OperatorProcess
    ledger: SecretHistory
    reader: PollingReader
    tenants: tuple[Tenant, ...]
    token_file: Path
    memory: int

    def grants(self) -> list[Document]:
        """All of them, as they are now."""
        found: list[Document] = self.world.api.get(_ALL)["items"]
        return found

    def say(self, type_: str) -> bool:
        """Whether a condition of every grant that has a key is True."""
        return all(
            condition(grant["status"], type_).get("status") == "True"
            for grant in self.grants()
            if grant["metadata"]["name"] != _NEWCOMER
        )

    def a_renewal_fails(self) -> bool:
        """Whether a grant has a living key and says that no new one can be had."""
        return any(condition(grant["status"], "RenewalFailing") for grant in self.grants())

    def all_ready(self) -> bool:
        """Whether every grant is Ready, none of them with a renewal that fails."""
        return self.say("Ready") and not self.a_renewal_fails()

    def renewed(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once every key has been replaced since now."""
        before = self.ledger.revisions()
        self.ledger.wait_until(
            lambda now: all(now[name] > number for name, number in before.items() if name in now),
            seconds=seconds,
        )

    def limit_sessions(self, seconds: float) -> None:
        """Return once every key is valid for that long."""
        self.world.aws.limit_sessions(seconds=seconds)
        self._all_live(seconds)

    def live_long(self) -> None:
        """Return once every key is valid for as long as the role allows."""
        self.world.aws.limit_sessions(seconds=None)
        self._all_live(_AT_LEAST_SECONDS)

    def _all_live(self, seconds: float) -> None:
        """Return when no key is of a session from before; a session signs in its first tenth."""
        eventually(
            lambda: all(
                found[-1].expires - found[-1].issued >= _FRESH_FRACTION * seconds
                for found in self.ledger.entries().values()
            ),
            seconds=PATIENCE_SECONDS,
        )

    def live_briefly(self) -> None:
        """Return once every key is short-lived again, signed by a session of its own."""
        self.world.aws.limit_sessions(seconds=SESSION_SECONDS)
        for tenant in self.tenants:
            tenant.apply_source(sessionName=f"again-{time.time_ns()}")
        self.ask()

    def ask(self) -> None:
        """Ask for a renewal of every key; returns when all have one."""
        requested = datetime.now(UTC).isoformat()
        for tenant in self.tenants:
            for name in _GRANTS:
                tenant.annotate_grant(name=name, **{"keywright.dev/renew-requested-at": requested})
        eventually(
            lambda: all(
                grant["status"].get("lastHandledReconcileAt") == requested
                for grant in self.grants()
            ),
            seconds=PATIENCE_SECONDS,
        )

    def rotate_token(self) -> None:
        """The operator's token is refused from now on; its file has another."""
        old = self.token_file.read_text()
        fresh = self.world.cluster.service_account_kubeconfig(
            namespace=NAMESPACE, name=SERVICE_ACCOUNT, directory=self.token_file.parent
        )
        self.token_file.write_text(token_of(fresh))
        self.proxy.faults.revoke(old)

    @contextmanager
    def newcomer(self) -> Iterator[None]:
        """A grant that comes now, is Ready at the end, and goes: watches are alive again."""
        tenant = self.tenants[-1]
        tenant.apply_grant(name=_NEWCOMER)
        yield
        tenant.ready(name=_NEWCOMER, seconds=PATIENCE_SECONDS)
        self.world.api.delete(tenant.grant_path(_NEWCOMER))
        eventually(lambda: not tenant.has_secret(_NEWCOMER))

    def sees_all(self) -> bool:
        """Whether the ledger has met the Secret of every grant."""
        return len(self.ledger.revisions()) == len(_GRANTS) * _TENANTS


@contextmanager
def stage(world: World, directory: Path) -> Iterator[Stage]:
    """All of it, once every grant has been renewed for the first time."""
    world.aws.limit_sessions(seconds=SESSION_SECONDS)
    tenants = tuple(Tenant(world, name="faults") for _ in range(_TENANTS))
    with (
        FaultProxy(directory / "proxy", cluster=world.cluster) as proxy,
        SecretHistory(world.cluster.kubeconfig) as ledger,
    ):
        operator = world.operator(identity="faulty", proxy=proxy, arguments=DEBUG)
        token_file = in_a_file(operator.kubeconfig, directory / "token")
        operator.start()
        for tenant in tenants:
            tenant.prepare()
            tenant.apply_source()
            for name in _GRANTS:
                tenant.apply_grant(name=name, renewal={"before": MARGIN})
        reader = PollingReader(
            directory,
            kubeconfig=world.cluster.kubeconfig,
            namespace=tenants[0].namespace,
            secret=_GRANTS[0],
            cloud_environment=world.aws.client_environment(),
            interval_seconds=0.3,
            clients=["http-converse"],
        )
        made = Stage(world, proxy, operator, ledger, reader, tenants, token_file, 0)
        eventually(made.all_ready, seconds=PATIENCE_SECONDS)
        eventually(made.sees_all, seconds=PATIENCE_SECONDS)
        with reader:
            made.renewed()
            yield replace(made, memory=operator.memory())


def token_of(kubeconfig: Path) -> str:
    """The token in a kubeconfig."""
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return token


def in_a_file(kubeconfig: Path, path: Path) -> Path:
    """Let a kubeconfig name a file for its token, as a pod has it; returns the file."""
    document = yaml.safe_load(kubeconfig.read_text())
    path.write_text(document["users"][0]["user"].pop("token"))
    document["users"][0]["user"]["tokenFile"] = str(path)
    kubeconfig.write_text(yaml.safe_dump(document))
    return path


@dataclass(frozen=True)
class Told:
    """What the ledger and the reader have against a row."""

    expired: dict[Name, list[str]]
    needless: dict[Name, list[str]]
    refused: list[str]


@contextmanager
def observed(stage: Stage, tell: Callable[[Told], None]) -> Iterator[None]:
    """Tells at the end what was wrong meanwhile."""
    began = {name: len(found) for name, found in stage.ledger.entries().items()}
    failures = len(stage.reader.failures())
    yield
    now = time.time()
    since: dict[Name, tuple[Entry, ...]] = {
        name: found[began.get(name, 1) - 1 :] for name, found in stage.ledger.entries().items()
    }
    tell(
        Told(
            expired={
                n: reported for n, found in since.items() if (reported := expired(found, until=now))
            },
            needless={n: reported for n, found in since.items() if (reported := needless(found))},
            refused=[str(reading) for reading in stage.reader.failures()[failures:]],
        )
    )
