"""SIGKILL around every request of an API Gateway key's journal: none lost, none doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from keywright.planning import steps
from tests.cluster.crashes import PHASES, Row, Scene, Work, play
from tests.cluster.gateway import GatewayTenant, gateway_tenants
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long

_GRANT, _STATUS = "/apikeygrants/chat-key", "/apikeygrants/chat-key/status"
_SECRET = "api /secrets/chat-key"
ROWS = (
    Row("AddFinalizer", "mint", f"api {_GRANT} finalizers"),
    Row("ListKeys", "mint", "aws GetUsagePlans"),
    Row("ListKeys", "mint", "aws CreateUsagePlan"),
    Row("ListKeys", "mint", "aws GetApiKeys"),
    Row("RecordIntent", "mint", f'api {_STATUS} "startedAt"'),
    Row("Issue", "mint", "aws CreateApiKey"),
    Row("Issue", "mint", "aws CreateUsagePlanKey"),
    Row("Issue", "mint", _SECRET),
    Row("Issue", "mint", f'api {_STATUS} "revision": 1'),
    Row("Issue", "value", "aws CreateApiKey"),
    Row("Issue", "value", _SECRET),
    Row("Issue", "import", "aws ImportApiKeys"),
    Row("Issue", "import", "aws TagResource"),
    Row("Issue", "import", "aws UpdateApiKey"),
    Row("Issue", "import", _SECRET),
    Row("Issue", "import", f'api {_STATUS} "revision": 1'),
    Row("Issue", "change", "aws ImportApiKeys"),
    Row("Issue", "change", "aws TagResource"),
    Row("Issue", "change", _SECRET),
    Row("Remove", "change", "aws DeleteApiKey"),
    Row("ListKeys", "rotate", "aws GetApiKeys"),
    Row("RecordIntent", "rotate", f'api {_STATUS} "startedAt"'),
    Row("Issue", "rotate", "aws CreateApiKey"),
    Row("Issue", "rotate", "aws CreateUsagePlanKey"),
    Row("Issue", "rotate", _SECRET),
    Row("Issue", "rotate", f'api {_STATUS} "revision": 2'),
    Row("Deactivate", "rotate", "aws UpdateApiKey"),
    Row("Remove", "rotate", "aws DeleteApiKey"),
    Row("Rewrite", "retire", _SECRET),
    Row("Remove", "lose", "aws DeleteApiKey"),
    Row("ClearPending", "settle", f'api {_STATUS} "pending": null'),
    Row("Revoke", "delete", "aws DeleteApiKey"),
    Row("Revoke", "delete", "aws UpdateUsagePlan"),
    Row("Revoke", "delete", "aws DeleteUsagePlan"),
    Row("Revoke", "delete", f"api {_GRANT} finalizers"),
    Row("RemoveFinalizer", "retain", f"api {_GRANT} finalizers"),
)


def _made(tenant: GatewayTenant, **spec: str) -> None:
    tenant.apply_source()
    tenant.apply_key(spec=spec, **tenant.made_plan())


def _made_with_previous(tenant: GatewayTenant) -> None:
    tenant.apply_source()
    tenant.apply_key(spec={"secret": {"includePrevious": True}}, **tenant.made_plan())


def _valued(tenant: GatewayTenant) -> None:
    tenant.put_input("value", tenant.value("first"))
    tenant.apply_source()
    tenant.apply_key(**tenant.made_plan(), **tenant.value_from("value"))


def _filed(tenant: GatewayTenant) -> None:
    _put_file(tenant, "a", "b")
    tenant.apply_source()
    requested = {**tenant.made_plan(), **tenant.csv_from("file")}
    tenant.apply_key(spec={"secret": {"formats": None}}, **requested)


def _put_file(tenant: GatewayTenant, *names: str) -> None:
    rows = [f"{name},{tenant.value(name)}" for name in names]
    tenant.put_input("file", "\n".join(("Name,Key", *rows)))


def _at_once(_: GatewayTenant, at: str) -> Iterator[str]:
    yield at


def _renewed(tenant: GatewayTenant, at: str) -> Iterator[str]:
    tenant.ask_for_renewal()
    yield at


def _retired(tenant: GatewayTenant, at: str) -> Iterator[str]:
    """The old key is removed, and its value is removed from the Secret."""
    tenant.ask_for_renewal()
    yield "after aws DeleteApiKey"
    yield at


def _other_value(tenant: GatewayTenant, at: str) -> Iterator[str]:
    tenant.put_input("value", tenant.value("second"))
    yield at


def _other_file(tenant: GatewayTenant, at: str) -> Iterator[str]:
    _put_file(tenant, "b", "c")
    yield at


def _lost(tenant: GatewayTenant, at: str) -> Iterator[str]:
    """A key that was created and is no longer wanted by any grant."""
    tenant.ask_for_renewal()
    yield "after aws CreateApiKey"
    tenant.patch(tenant.grant_path(), {"metadata": {"annotations": None}})
    yield at


def _unsettled(tenant: GatewayTenant, at: str) -> Iterator[str]:
    tenant.ask_for_renewal()
    yield f"after {_SECRET}"
    yield at


def _deleted(tenant: GatewayTenant, at: str) -> Iterator[str]:
    tenant.world.api.delete(tenant.grant_path())
    yield at


WORKS: dict[str, Work[GatewayTenant]] = {
    "mint": Work(_made, _at_once, made=False, revision=1),
    "value": Work(_valued, _other_value),
    "import": Work(_filed, _at_once, made=False, revision=1),
    "change": Work(_filed, _other_file),
    "rotate": Work(_made_with_previous, _renewed),
    "retire": Work(_made_with_previous, _retired),
    "lose": Work(_made, _lost, revision=1),
    "settle": Work(_made, _unsettled),
    "delete": Work(_made, _deleted, ends=True),
    "retain": Work(
        lambda tenant: _made(tenant, deletionPolicy="Retain"), _deleted, ends=True, retained=True
    ),
}

Scenes = dict[tuple[Row, str], Scene[GatewayTenant]]


@pytest.fixture(scope="module")
def scenes(make_world: MakeWorld) -> Iterator[Scenes]:
    """All rows, played in one world."""
    with make_world() as world:
        tenants = gateway_tenants(world, name="crash")
        make: Callable[[], GatewayTenant] = next(tenants)
        yield play(world, rows=ROWS, works=WORKS, make_tenant=make)


def test_the_table_has_every_step() -> None:
    """A new step of the journal without a row of its own fails here."""
    names = {step.__name__ for step in get_args(steps.JournalStep)} | {"Issue", "Rewrite"}
    assert {row.step for row in ROWS} == names


@pytest.mark.timeout(600)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_kill_loses_and_doubles_nothing(row: Row, phase: str, scenes: Scenes) -> None:
    """After the restart: one live key, the Secret holds it, and API Gateway has no other."""
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
