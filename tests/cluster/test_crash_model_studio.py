"""SIGKILL around every request of a Model Studio key's journal: none lost, none doubled."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import get_args

import pytest

from keywright.planning import steps
from testbed.world import Vendor, World
from tests.cluster.crashes import PHASES, Row, Scene, Work, play
from tests.cluster.model_studio import ModelStudioTenant
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long

_GRANT, _STATUS = "/apikeygrants/chat-key", "/apikeygrants/chat-key/status"
# Of one account: together the keys would exceed the quota of one region.
_REGIONS = ("cn-beijing", "ap-southeast-1", "cn-hongkong")
ROWS = (
    Row("AddFinalizer", "mint", f"api {_GRANT} finalizers"),
    Row("ListKeys", "mint", "alibaba ListApiKeys"),
    Row("RecordIntent", "mint", f'api {_STATUS} "startedAt"'),
    Row("Issue", "mint", "alibaba CreateApiKey"),
    Row("Issue", "mint", "api /secrets/chat-key"),
    Row("Issue", "mint", f'api {_STATUS} "revision": 1'),
    Row("ListKeys", "rotate", "alibaba GetApiKey"),
    Row("ListKeys", "rotate", "alibaba ListApiKeys"),
    Row("RecordIntent", "rotate", f'api {_STATUS} "startedAt"'),
    Row("Issue", "rotate", "alibaba CreateApiKey"),
    Row("Issue", "rotate", "api /secrets/chat-key"),
    Row("Issue", "rotate", f'api {_STATUS} "revision": 2'),
    Row("Deactivate", "rotate", "alibaba DisableApiKey"),
    Row("Remove", "rotate", "alibaba DeleteApiKey"),
    Row("Remove", "lose", "alibaba DeleteApiKey"),
    Row("ClearPending", "settle", f'api {_STATUS} "pending": null'),
    Row("Revoke", "delete", "alibaba DeleteApiKey"),
    Row("Revoke", "delete", f"api {_GRANT} finalizers"),
    Row("RemoveFinalizer", "retain", f"api {_GRANT} finalizers"),
)


def _made(tenant: ModelStudioTenant, **spec: str) -> None:
    tenant.apply_source()
    tenant.apply_key(spec=dict(spec))


def _ask(tenant: ModelStudioTenant) -> None:
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})


def _at_once(_: ModelStudioTenant, at: str) -> Iterator[str]:
    yield at


def _renewed(tenant: ModelStudioTenant, at: str) -> Iterator[str]:
    _ask(tenant)
    yield at


def _lost(_: ModelStudioTenant, at: str) -> Iterator[str]:
    yield "after alibaba CreateApiKey"
    yield at


def _unsettled(tenant: ModelStudioTenant, at: str) -> Iterator[str]:
    _ask(tenant)
    yield "after api /secrets/chat-key"
    yield at


def _deleted(tenant: ModelStudioTenant, at: str) -> Iterator[str]:
    tenant.world.api.delete(tenant.grant_path())
    yield at


WORKS: dict[str, Work[ModelStudioTenant]] = {
    "mint": Work(_made, _at_once, made=False, revision=1),
    "rotate": Work(_made, _renewed),
    "lose": Work(_made, _lost, made=False, revision=1),
    "settle": Work(_made, _unsettled),
    "delete": Work(_made, _deleted, ends=True),
    "retain": Work(
        lambda tenant: _made(tenant, deletionPolicy="Retain"), _deleted, ends=True, retained=True
    ),
}

Scenes = dict[tuple[Row, str], Scene[ModelStudioTenant]]


@pytest.fixture(scope="module")
def scenes(make_world: MakeWorld) -> Iterator[Scenes]:
    """All rows, played in one world."""
    with make_world(providers=[Vendor.ALIBABA]) as world:
        made = (_prepared(world, number) for number in itertools.count())
        yield play(world, rows=ROWS, works=WORKS, make_tenant=lambda: next(made))


def _prepared(world: World, number: int) -> ModelStudioTenant:
    tenant = ModelStudioTenant(world, name=f"crash{number}")
    tenant.region = _REGIONS[number % len(_REGIONS)]
    tenant.prepare()
    return tenant


def test_the_table_has_every_step() -> None:
    """A new step of the journal without a row of its own fails here."""
    names = {step.__name__ for step in get_args(steps.JournalStep)} | {"Issue"}
    assert {row.step for row in ROWS} == names


@pytest.mark.timeout(600)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_kill_loses_and_doubles_nothing(row: Row, phase: str, scenes: Scenes) -> None:
    """After the restart: one key, the Secret holds it, and Model Studio has no other."""
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
