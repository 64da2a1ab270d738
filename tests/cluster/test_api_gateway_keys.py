"""API Gateway keys, from apply to what is left in the account."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.operators import OperatorProcess
from testbed.readers import PollingReader
from testbed.readers.http_api import NAME as HTTP_API
from tests.cluster.eventually import eventually
from tests.cluster.gateway import KEY, GatewayTenant

_ROTATIONS = 3


@pytest.fixture
def tenant(new_gateway_tenant: Callable[[], GatewayTenant]) -> GatewayTenant:
    """A namespace whose grants are API Gateway keys."""
    return new_gateway_tenant()


# ---- every way, from apply to deletion


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a key: what its grant says, and how its value is replaced."""

    name: str
    session_options: Callable[[GatewayTenant, str], dict[str, Any]]
    imports: Callable[[int], str] | None = None

    def apply(self, tenant: GatewayTenant) -> None:
        """The grant, and what it imports."""
        if self.imports is not None:
            tenant.put_input(self.name, self.imports(1))
        formats = None if self.name == "file" else {"formats": ["ApiGatewayEnv"]}
        requested = self.session_options(tenant, self.name)
        tenant.apply_key(name=self.name, spec={"secret": formats}, **requested)

    def rotate(self, tenant: GatewayTenant, number: int) -> None:
        """Bring the key of that revision about."""
        if self.imports is None:
            tenant.ask_for_renewal(name=self.name)
        else:
            tenant.put_input(self.name, self.imports(number))


def _value(number: int) -> str:
    return f"imported-by-a-test-{number:04}"


def _file(number: int) -> str:
    """A file whose first key changes, and whose second stays."""
    return f"Name,Key\n{KEY},{_value(number)}-csv\nstays,a-value-that-stays-as-it-is\n"


WAYS = (
    Way("by-id", lambda tenant, name: {"usagePlan": {"id": tenant.plan(name=name)}}),
    Way(
        "by-name",
        lambda tenant, name: {
            "usagePlan": {"name": tenant.plan_name(tenant.plan(name=name))},
        },
    ),
    Way("created", lambda tenant, name: tenant.made_plan(name)),
    Way("value", lambda tenant, name: tenant.made_plan(name) | tenant.value_from(name), _value),
    Way("file", lambda tenant, name: tenant.made_plan(name) | tenant.csv_from(name), _file),
)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_every_way_from_apply_to_deletion(tenant: GatewayTenant, tmp_path: Path) -> None:
    """Partners call through three rotations without one refusal; deleted, nothing of ours is left.

    All ways at once, each with a partner of its own in a process of its own.
    """
    tenant.apply_source()
    for way in WAYS:
        way.apply(tenant)
    with ExitStack() as stack:
        readers = {way.name: stack.enter_context(_reader(tenant, tmp_path, way)) for way in WAYS}
        for number in range(1, _ROTATIONS + 2):
            for way in WAYS:
                # The old key has gone before the next one comes.
                tenant.rotated(number, name=way.name)
                _has_called(readers[way.name], revision=number)
            for way in WAYS if number <= _ROTATIONS else ():
                way.rotate(tenant, number + 1)
    assert {name: reader.failures() for name, reader in readers.items() if reader.failures()} == {}
    for way in WAYS:
        keys = tenant.keys(way.name)
        assert list(keys) == [tenant.status(way.name)["keyId"]], way.name
        assert tenant.works(tenant.data(way.name))
    for way in WAYS:
        tenant.world.api.delete(tenant.grant_path(way.name))
    for way in WAYS:
        eventually(lambda name=way.name: not tenant.world.api.exists(tenant.grant_path(name)))  # type: ignore[misc]
        assert (tenant.keys(way.name), tenant.plans(way.name)) == ({}, {})


def _reader(tenant: GatewayTenant, directory: Path, way: Way) -> PollingReader:
    return PollingReader(
        directory,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=way.name,
        cloud_environment=tenant.environment(),
        clients=[HTTP_API],
    )


def _has_called(reader: PollingReader, *, revision: int) -> None:
    reader.wait_until(
        lambda readings: bool(readings) and readings[-1].revision == str(revision), seconds=20
    )


def test_retain_leaves_everything(tenant: GatewayTenant) -> None:
    """With deletionPolicy Retain key, plan and value outlive their grant."""
    tenant.apply_source()
    tenant.apply_key(spec={"deletionPolicy": "Retain"}, **tenant.made_plan())
    status = tenant.ready()
    data = tenant.data()
    tenant.delete()
    assert list(tenant.keys()) == [status["keyId"]]
    assert len(tenant.plans()) == 1
    assert tenant.works(data)


def test_a_plan_with_somebody_elses_key_stays(tenant: GatewayTenant) -> None:
    """Revoke takes our key out of a plan that we made; the plan goes only when it is empty."""
    tenant.key_ready(**tenant.made_plan())
    (plan,) = tenant.plans().values()
    theirs = tenant.foreign_key(plan["id"])
    tenant.delete()
    assert tenant.keys() == {}
    assert tenant.plan_keys(plan["id"]) == [theirs]


# ---- what is lost comes back


def test_a_lost_secret_costs_no_key(tenant: GatewayTenant) -> None:
    """Deleted or edited by hand, the Secret has the same key again: API Gateway tells its value."""
    before, data = tenant.key_ready(usagePlan={"id": tenant.plan()}), None
    data = tenant.data()
    tenant.world.api.delete(tenant.secret_path())
    eventually(lambda: tenant.has_secret() and tenant.data() == data)
    forged = base64.b64encode(b"not the key at all, by far").decode()
    tenant.patch(tenant.secret_path(), {"data": {KEY: forged}})
    eventually(lambda: tenant.data() == data)
    eventually(lambda: "pending" not in tenant.status())
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (before["keyId"], 1)
    assert list(tenant.keys()) == [after["keyId"]]


def test_a_key_that_somebody_deleted_is_made_anew(tenant: GatewayTenant) -> None:
    """Where neither Secret nor cloud has it any more, there is a new one."""
    tenant.key_ready(usagePlan={"id": tenant.plan()})
    (key,) = tenant.keys().values()
    tenant.gateway.delete_api_key(apiKey=key["id"])
    tenant.world.api.delete(tenant.secret_path())
    status = tenant.revision(2)
    assert list(tenant.keys()) == [status["keyId"]]
    assert tenant.works()


def test_an_answer_that_is_lost_doubles_nothing(tenant: GatewayTenant) -> None:
    """The key of a create whose answer was cut off is found by its tags, and used."""
    plan = tenant.plan()
    tenant.world.aws.lose_answer("apigateway", "CreateApiKey")
    status = tenant.key_ready(usagePlan={"id": plan})
    assert list(tenant.keys()) == [status["keyId"]]
    assert status["revision"] == 1
    assert tenant.works()
    creates = tenant.world.aws.calls(service="apigateway", action="CreateApiKey")
    assert len([call for call in creates if tenant.namespace in call.parameters["name"]]) == 1


def test_a_restore_without_status_makes_no_key(
    tenant: GatewayTenant, operator: OperatorProcess
) -> None:
    """Grant and Secret applied again under other uids: the key id comes from the Secret."""
    status = tenant.key_ready(**tenant.made_plan())
    secret, grant = tenant.secret(), tenant.grant()
    operator.kill()
    api = tenant.world.api
    tenant.patch(tenant.grant_path(), {"metadata": {"finalizers": None}})
    api.delete(tenant.grant_path())
    eventually(lambda: not api.exists(tenant.grant_path()))
    if api.exists(tenant.secret_path()):
        api.delete(tenant.secret_path())
    for body in (secret, grant):
        kept = {k: v for k, v in body["metadata"].items() if k in _RESTORED}
        api.create({k: v for k, v in body.items() if k != "status"} | {"metadata": kept})
    operator.start()
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (status["keyId"], status["revision"])
    assert list(tenant.keys()) == [status["keyId"]]
    assert tenant.works()
    tenant.renew(revision=2)
    eventually(lambda: list(tenant.keys()) == [tenant.status()["keyId"]])
    tenant.delete()
    assert (tenant.keys(), tenant.plans()) == ({}, {})


_RESTORED = {"name", "namespace", "labels", "annotations"}
