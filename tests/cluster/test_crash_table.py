"""SIGKILL before and after every step of the mint journal: one key, none lost, none doubled."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import pytest

from keywright.planning import facts
from testbed.operators import OperatorProcess
from testbed.world import ROOT, World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import Document
from tests.cluster.worlds import MakeWorld

# Where nothing of a create is listed, that is believed after half a minute.
_SECONDS = 60.0
pytestmark = pytest.mark.long
_PROGRAM = "tests.cluster.killed_operator"


@dataclass(frozen=True, slots=True)
class Row:
    """A step by its name, what is under way when it comes, and the request to be killed at."""

    step: str
    work: str
    request: str

    def __str__(self) -> str:
        """As part of the name of a test."""
        return f"{self.step}-{self.work}-{self.request.replace(' ', '-').replace('/', '')}"


_GRANT, _STATUS = "/apikeygrants/chat-key", "/apikeygrants/chat-key/status"
ROWS = (
    Row("Finalize", "mint", f"api {_GRANT} finalizers"),
    Row("Look", "mint", "aws CreateUser"),
    Row("Look", "mint", "aws AttachUserPolicy"),
    Row("Look", "mint", "aws ListServiceSpecificCredentials"),
    Row("Intend", "mint", f'api {_STATUS} "startedAt"'),
    Row("Mint", "mint", "aws CreateServiceSpecificCredential"),
    Row("Mint", "mint", "api /secrets/chat-key"),
    Row("Mint", "mint", f'api {_STATUS} "revision": 1'),
    Row("Look", "rotate", "aws ListServiceSpecificCredentials"),
    Row("Intend", "rotate", f'api {_STATUS} "startedAt"'),
    Row("Mint", "rotate", "aws CreateServiceSpecificCredential"),
    Row("Mint", "rotate", "api /secrets/chat-key"),
    Row("Mint", "rotate", f'api {_STATUS} "revision": 2'),
    Row("Deactivate", "rotate", "aws UpdateServiceSpecificCredential"),
    Row("Remove", "rotate", "aws DeleteServiceSpecificCredential"),
    Row("Remove", "lose", "aws DeleteServiceSpecificCredential"),
    Row("Settle", "settle", f'api {_STATUS} "pending": null'),
    Row("Revoke", "delete", "aws DeleteServiceSpecificCredential"),
    Row("Revoke", "delete", "aws DetachUserPolicy"),
    Row("Revoke", "delete", "aws DeleteUser"),
    Row("Revoke", "delete", f"api {_GRANT} finalizers"),
    Row("Release", "retain", f"api {_GRANT} finalizers"),
)


class Lives:
    """One operator after the other, by the same name, so that each has the Lease at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.whole = world.operator(arguments=DEBUG, fork="keywright")

    def die(self, *, at: str) -> None:
        """Live until that request, and end by it."""
        operator = self.spawn(at=at)
        eventually(lambda: operator.process.exit_code is not None, seconds=40)
        assert operator.process.exit_code == -signal.SIGKILL

    def spawn(self, *, at: str) -> OperatorProcess:
        """Begin a life that ends at that request."""
        path = os.pathsep.join((str(ROOT / "operator"), str(ROOT)))
        operator = self._world.operator(
            arguments=DEBUG,
            fork=_PROGRAM,
            environment={"KILL_AT": at, "PYTHONPATH": path},
        )
        operator.spawn()
        return operator


@pytest.fixture(scope="module")
def crash_world(make_world: MakeWorld) -> Iterator[World]:
    """A world whose operator is killed all the time, for these tests alone."""
    with make_world() as world:
        yield world


@pytest.fixture(scope="module")
def new_tenant_of_crash(crash_world: World) -> Iterator[Callable[[], LongTermTenant]]:
    """Makes namespaces; they stay until the world goes."""
    yield from tenants(crash_world, name="crash")


@pytest.fixture
def lives(crash_world: World) -> Iterator[Lives]:
    """Nobody lives before a test, and nobody after it."""
    made = Lives(crash_world)
    yield made
    if made.whole.process.exit_code is None:
        made.whole.kill()


def test_the_table_has_every_step() -> None:
    """A new step of the journal without a row of its own fails here."""
    steps = {step.__name__ for step in get_args(facts.JournalStep)} | {"Mint"}
    assert {row.step for row in ROWS} == steps


def _unknown(row: Row, phase: str) -> bool:
    """Whether IAM lists no key of the intent afterwards, so that half a minute is waited."""
    match row.step, row.work, phase:
        case ("Intend", _, "after") | ("Remove", "lose", "after"):
            return True
        case ("Mint", _, "before"):
            return row.request.startswith("aws Create")
        case _:
            return False


_KILLS = [(row, phase) for row in ROWS for phase in ("before", "after")]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("row", "phase"), [kill for kill in _KILLS if not _unknown(*kill)], ids=str
)
def test_a_kill_loses_and_doubles_nothing(
    row: Row, phase: str, lives: Lives, new_tenant_of_crash: Callable[[], LongTermTenant]
) -> None:
    """After the restart: one live key, the Secret holds it, and IAM has no other."""
    tenant = new_tenant_of_crash()
    _WORK[row.work](tenant, lives, f"{phase} {row.request}")
    lives.whole.start()
    _whole_again(row, tenant)


@pytest.mark.timeout(180)
def test_a_kill_that_leaves_an_unknown_loses_and_doubles_nothing(
    lives: Lives, new_tenant_of_crash: Callable[[], LongTermTenant]
) -> None:
    """The same where nobody can tell at once whether a key was made: those rows wait together."""
    killed: list[tuple[Row, LongTermTenant]] = []
    for row, phase in _KILLS:
        if _unknown(row, phase):
            killed.append((row, new_tenant_of_crash()))
            _WORK[row.work](killed[-1][1], lives, f"{phase} {row.request}")
    assert killed
    lives.whole.start()
    for row, tenant in killed:
        _whole_again(row, tenant)


def _whole_again(row: Row, tenant: LongTermTenant) -> None:
    if row.work in {"delete", "retain"}:
        _gone(tenant, retained=row.work == "retain")
        return
    least = 1 if row.work in {"mint", "lose"} else 2

    def settled(status: Document) -> bool:
        return (
            status["revision"] >= least and not status.get("retiring") and "pending" not in status
        )

    status = tenant.told("Ready", seconds=_SECONDS, and_=settled)
    assert status["revision"] == least
    assert tenant.listed() == {status["keyId"]: "Active"}
    assert tenant.secret()["metadata"]["annotations"]["keywright.dev/key-id"] == status["keyId"]
    assert tenant.works()
    tenant.world.api.delete(tenant.grant_path())
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()))
    assert not tenant.has_user()


def _mint(tenant: LongTermTenant, lives: Lives, at: str) -> None:
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key()
    lives.die(at=at)


def _made(tenant: LongTermTenant, lives: Lives) -> None:
    lives.whole.start()
    tenant.key_ready()
    lives.whole.kill()


def _ask(tenant: LongTermTenant) -> None:
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})


def _rotate(tenant: LongTermTenant, lives: Lives, at: str) -> None:
    _made(tenant, lives)
    _ask(tenant)
    lives.die(at=at)


def _lose(tenant: LongTermTenant, lives: Lives, at: str) -> None:
    _mint(tenant, lives, "after aws CreateServiceSpecificCredential")
    lives.die(at=at)


def _settle(tenant: LongTermTenant, lives: Lives, at: str) -> None:
    _rotate(tenant, lives, "after api /secrets/chat-key")
    lives.die(at=at)


def _delete(tenant: LongTermTenant, lives: Lives, at: str) -> None:
    _made(tenant, lives)
    tenant.world.api.delete(tenant.grant_path())
    lives.die(at=at)


def _retain(tenant: LongTermTenant, lives: Lives, at: str) -> None:
    lives.whole.start()
    tenant.apply_source(sessionDuration=None)
    tenant.apply_grant(
        bedrockShortTermKey=None,
        bedrockLongTermKey=tenant.key_spec(),
        deletionPolicy="Retain",
    )
    tenant.ready()
    lives.whole.kill()
    tenant.world.api.delete(tenant.grant_path())
    lives.die(at=at)


_WORK: dict[str, Callable[[LongTermTenant, Lives, str], None]] = {
    "mint": _mint,
    "rotate": _rotate,
    "lose": _lose,
    "settle": _settle,
    "delete": _delete,
    "retain": _retain,
}


def _gone(tenant: LongTermTenant, *, retained: bool) -> None:
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()), seconds=_SECONDS)
    assert tenant.has_user() == retained
    assert len(tenant.listed()) == int(retained)
