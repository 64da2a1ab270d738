"""SIGKILL before and after every step of the mint journal: one key, none lost, none doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import get_args

import pytest

from keywright.planning import steps
from tests.cluster.crashes import PHASES, Row, Scene, Work, play
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long

_GRANT, _STATUS = "/apikeygrants/chat-key", "/apikeygrants/chat-key/status"
ROWS = (
    Row("AddFinalizer", "mint", f"api {_GRANT} finalizers"),
    Row("ListKeys", "mint", "aws CreateUser"),
    Row("ListKeys", "mint", "aws AttachUserPolicy"),
    Row("ListKeys", "mint", "aws ListServiceSpecificCredentials"),
    Row("RecordIntent", "mint", f'api {_STATUS} "startedAt"'),
    Row("Issue", "mint", "aws CreateServiceSpecificCredential"),
    Row("Issue", "mint", "api /secrets/chat-key"),
    Row("Issue", "mint", f'api {_STATUS} "revision": 1'),
    Row("ListKeys", "rotate", "aws ListServiceSpecificCredentials"),
    Row("RecordIntent", "rotate", f'api {_STATUS} "startedAt"'),
    Row("Issue", "rotate", "aws CreateServiceSpecificCredential"),
    Row("Issue", "rotate", "api /secrets/chat-key"),
    Row("Issue", "rotate", f'api {_STATUS} "revision": 2'),
    Row("Deactivate", "rotate", "aws UpdateServiceSpecificCredential"),
    Row("Remove", "rotate", "aws DeleteServiceSpecificCredential"),
    Row("Remove", "lose", "aws DeleteServiceSpecificCredential"),
    Row("ClearPending", "settle", f'api {_STATUS} "pending": null'),
    Row("Revoke", "delete", "aws DeleteServiceSpecificCredential"),
    Row("Revoke", "delete", "aws DetachUserPolicy"),
    Row("Revoke", "delete", "aws DeleteUser"),
    Row("Revoke", "delete", f"api {_GRANT} finalizers"),
    Row("RemoveFinalizer", "retain", f"api {_GRANT} finalizers"),
)


def _made(tenant: LongTermTenant, **spec: str) -> None:
    tenant.apply_source(sessionDuration=None)
    tenant.apply_grant(**tenant.spec(), **spec)


def _ask(tenant: LongTermTenant) -> None:
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})


def _at_once(_: LongTermTenant, at: str) -> Iterator[str]:
    yield at


def _renewed(tenant: LongTermTenant, at: str) -> Iterator[str]:
    _ask(tenant)
    yield at


def _lost(_: LongTermTenant, at: str) -> Iterator[str]:
    yield "after aws CreateServiceSpecificCredential"
    yield at


def _unsettled(tenant: LongTermTenant, at: str) -> Iterator[str]:
    _ask(tenant)
    yield "after api /secrets/chat-key"
    yield at


def _deleted(tenant: LongTermTenant, at: str) -> Iterator[str]:
    tenant.world.api.delete(tenant.grant_path())
    yield at


WORKS: dict[str, Work[LongTermTenant]] = {
    "mint": Work(_made, _at_once, made=False, revision=1),
    "rotate": Work(_made, _renewed),
    "lose": Work(_made, _lost, made=False, revision=1),
    "settle": Work(_made, _unsettled),
    "delete": Work(_made, _deleted, ends=True),
    "retain": Work(
        lambda tenant: _made(tenant, deletionPolicy="Retain"), _deleted, ends=True, retained=True
    ),
}

Scenes = dict[tuple[Row, str], Scene[LongTermTenant]]


@pytest.fixture(scope="module")
def scenes(make_world: MakeWorld) -> Iterator[Scenes]:
    """All rows, played in one world."""
    with make_world() as world:
        make: Callable[[], LongTermTenant] = next(tenants(world, name="crash"))
        yield play(world, rows=ROWS, works=WORKS, make_tenant=make)


def test_the_table_has_every_step() -> None:
    """A new step of the journal without a row of its own fails here."""
    names = {step.__name__ for step in get_args(steps.JournalStep)} | {"Issue"}
    assert {row.step for row in ROWS} == names


@pytest.mark.timeout(600)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_kill_loses_and_doubles_nothing(row: Row, phase: str, scenes: Scenes) -> None:
    """After the restart: one live key, the Secret holds it, and IAM has no other."""
    scene = scenes[row, phase]
    assert scene.problem == ""
    if scene.work.ends:
        assert bool(scene.left) == scene.work.retained
        return
    assert scene.status["revision"] == scene.work.revision
    assert scene.held == {scene.status["keyId"]}
    assert scene.secret_key == scene.status["keyId"]
    assert scene.worked
    assert scene.left == []
