"""API Gateway keys that are disabled or taken out of their usage plan in the cloud, by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.gateway import KEY, GatewayTenant, gateway_tenants
from tests.cluster.tenants import Document, condition
from tests.cluster.test_keys_are_looked_up import events
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long
# Keys are looked up every two seconds, and a fresh one may be missing from a listing for 2.4 s.
_OPTIONS = ("--verify-interval=2", "--verify-spread=1", "--cloud-delay-scale=0.02")
_SECONDS = 60.0
Make = Callable[[], GatewayTenant]


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[tuple[World, OperatorProcess]]:
    """A world of its own, whose operator looks keys up all the time."""
    with make_world() as world:
        operator = world.operator(arguments=(*DEBUG, *_OPTIONS), fork="keywright")
        operator.start()
        yield world, operator


@pytest.fixture
def tenant(stage: tuple[World, OperatorProcess]) -> Iterator[GatewayTenant]:
    """A namespace whose grants are API Gateway keys."""
    world, _ = stage
    made = gateway_tenants(world, name="by-hand")
    yield next(made)()
    next(made, None)


def switch(tenant: GatewayTenant, key_id: str, *, enabled: bool) -> None:
    """An administrator switches the key in the cloud."""
    value = "true" if enabled else "false"
    operation = {"op": "replace", "path": "/enabled", "value": value}
    tenant.gateway.update_api_key(apiKey=name_of(key_id), patchOperations=[operation])


def name_of(key_id: str) -> str:
    """The id of the key in API Gateway."""
    return key_id.rpartition("/")[2]


def leave(tenant: GatewayTenant, plan: str, key_id: str) -> None:
    """An administrator takes the key out of the plan: calls with it are refused."""
    tenant.gateway.delete_usage_plan_key(usagePlanId=plan, keyId=name_of(key_id))


def is_enabled(tenant: GatewayTenant, key_id: str) -> bool:
    """Whether the cloud has the key as enabled."""
    return bool(tenant.gateway.get_api_key(apiKey=name_of(key_id))["enabled"])


def lost(tenant: GatewayTenant, *, containing: str) -> str:
    """The message of Ready once it reports the key as lost, with these words."""

    def says_so(status: Document) -> bool:
        return containing in condition(status, "Ready")["message"]

    status = tenant.reported(
        "Ready", status="False", reason="KeyLost", seconds=_SECONDS, and_=says_so
    )
    return str(condition(status, "Ready")["message"])


def lookups(tenant: GatewayTenant, *, more: int) -> None:
    """Return once all keys were listed so many times more."""
    calls = tenant.world.aws.calls
    before = len(calls(service="apigateway", action="GetApiKeys"))
    eventually(
        lambda: len(calls(service="apigateway", action="GetApiKeys")) >= before + more,
        seconds=_SECONDS,
    )


def test_a_generated_key_that_was_disabled_is_replaced(tenant: GatewayTenant) -> None:
    """Its value may have leaked: another one is issued, and no edit enables the old key."""
    first = tenant.key_ready(usagePlan={"id": tenant.plan()}, overlap="1h")
    data = tenant.data()
    switch(tenant, first["keyId"], enabled=False)
    assert not tenant.works()
    after = tenant.reported(
        "Ready", seconds=_SECONDS, and_=lambda status: status["keyId"] != first["keyId"]
    )
    assert tenant.data() != data
    eventually(tenant.works, seconds=_SECONDS)
    (lost, *_) = events(tenant, "KeyLost")
    assert first["keyId"] in lost
    assert "was disabled" in lost
    tenant.edit_key(description="edited")
    eventually(
        lambda: (
            tenant.gateway.get_api_key(apiKey=name_of(after["keyId"])).get("description")
            == "edited"
        )
    )
    lookups(tenant, more=2)
    assert not is_enabled(tenant, first["keyId"])
    assert tenant.ready()["keyId"] == after["keyId"]


def test_a_disabled_key_is_not_published_again_with_a_new_secret(tenant: GatewayTenant) -> None:
    """A deleted Secret gets the value of its key again, unless the key was disabled by hand."""
    first = tenant.key_ready(usagePlan={"id": tenant.plan()}, overlap="1h")
    data = tenant.data()
    switch(tenant, first["keyId"], enabled=False)
    tenant.world.api.delete(tenant.secret_path())
    tenant.reported(
        "Ready", seconds=_SECONDS, and_=lambda status: status["keyId"] != first["keyId"]
    )
    assert tenant.data() != data
    assert not is_enabled(tenant, first["keyId"])


def test_an_imported_key_that_was_disabled_is_enabled_again(tenant: GatewayTenant) -> None:
    """Its value is the author's own: `enabled: false` is what disables it."""
    tenant.put_input("partner", tenant.value("partner"))
    first = tenant.key_ready(usagePlan={"id": tenant.plan()}, **tenant.value_from("partner"))
    switch(tenant, first["keyId"], enabled=False)
    assert not tenant.works()
    eventually(tenant.works, seconds=_SECONDS)
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (first["keyId"], first["revision"])
    assert "enabled again" in events(tenant, "KeyLost")[0]


def test_a_key_outside_of_its_plan_is_put_back(tenant: GatewayTenant) -> None:
    """The same key with the same value, an Event for each, and nothing of other keys changes."""
    plan = tenant.plan()
    first = tenant.key_ready(usagePlan={"id": plan})
    foreign, data = tenant.foreign_key(plan), tenant.data()
    leave(tenant, plan, first["keyId"])
    assert not tenant.works()
    eventually(tenant.works, seconds=_SECONDS)
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (first["keyId"], first["revision"])
    assert tenant.data() == data
    assert "usage plan" in events(tenant, "KeyLost")[0]
    assert set(tenant.plan_keys(plan)) == {foreign, name_of(first["keyId"])}


def test_a_plan_that_was_deleted_is_made_again(tenant: GatewayTenant) -> None:
    """A plan of the grant is created again with its key; until then the grant is not Ready."""
    first = tenant.key_ready(**tenant.made_plan())
    (plan,) = tenant.plans().values()
    leave(tenant, plan["id"], first["keyId"])
    stage = f"{tenant.stage['apiId']}:{tenant.stage['stage']}"
    operation = {"op": "remove", "path": "/apiStages", "value": stage}
    tenant.gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=[operation])
    tenant.gateway.delete_usage_plan(usagePlanId=plan["id"])
    eventually(tenant.works, seconds=_SECONDS)
    assert tenant.ready()["keyId"] == first["keyId"]
    assert [made["name"] for made in tenant.plans().values()] == [plan["name"]]


def test_a_plan_that_is_gone_and_not_ours_is_reported(tenant: GatewayTenant) -> None:
    """A key that no plan has is refused: the grant is not Ready, and names the field."""
    plan = tenant.plan(apiStages=[])
    first = tenant.key_ready(usagePlan={"id": plan})
    leave(tenant, plan, first["keyId"])
    tenant.gateway.delete_usage_plan(usagePlanId=plan)
    said = lost(tenant, containing="spec.apiGatewayKey.usagePlan.id")
    assert plan in said


@pytest.mark.parametrize("by", ["disabling", "leaving"])
def test_a_changed_key_of_an_import_is_repaired(tenant: GatewayTenant, by: str) -> None:
    """One of many; a row that says so keeps its key disabled."""
    plan = tenant.plan()
    rows = (f"{name},{tenant.value(name)},{name != 'off'}" for name in ("a", "b", "off"))
    tenant.put_input("file", "\n".join(("name,key,enabled", *rows)))
    tenant.apply_source()
    tenant.apply_key(
        spec={"secret": {"formats": None}}, usagePlan={"id": plan}, **tenant.csv_from("file")
    )
    before = tenant.ready()
    ids = {key["name"]: key["id"] for key in tenant.made_keys()}
    if by == "disabling":
        switch(tenant, ids["b"], enabled=False)
    else:
        leave(tenant, plan, ids["b"])
    assert not tenant.works({KEY: tenant.value("b")})
    eventually(lambda: tenant.works({KEY: tenant.value("b")}), seconds=_SECONDS)
    tenant.ready(seconds=_SECONDS)
    assert {key["name"]: key["id"] for key in tenant.made_keys()} == ids
    assert tenant.status()["keyId"] == before["keyId"]
    assert not is_enabled(tenant, ids["off"])
    assert len(events(tenant, "KeyLost")) == 1


def test_what_the_grant_disables_or_suspends_is_not_repaired(tenant: GatewayTenant) -> None:
    """`enabled: false` and `suspend: true` leave the key as it is in the cloud."""
    plan = tenant.plan()
    first = tenant.key_ready(usagePlan={"id": plan})
    tenant.edit_key(enabled=False)
    tenant.ready()
    leave(tenant, plan, first["keyId"])
    lookups(tenant, more=3)
    assert not is_enabled(tenant, first["keyId"])
    assert tenant.plan_keys(plan) == []
    assert events(tenant, "KeyLost") == []
    tenant.edit_key(enabled=True)
    eventually(tenant.works, seconds=_SECONDS)
    tenant.edit_grant(suspend=True)
    tenant.reported("Ready", reason="Suspended")
    switch(tenant, first["keyId"], enabled=False)
    leave(tenant, plan, first["keyId"])
    tenant.reported("Ready", status="False", reason="Suspended", seconds=_SECONDS)
    lookups(tenant, more=3)
    assert not is_enabled(tenant, first["keyId"])
    assert tenant.plan_keys(plan) == []
    assert tenant.status()["keyId"] == first["keyId"]


def test_enabling_a_key_never_costs_a_key(tenant: GatewayTenant) -> None:
    """Also where the call that enables it is throttled for a while: the edit is still to come."""
    first = tenant.key_ready(usagePlan={"id": tenant.plan()})
    tenant.edit_key(enabled=False)
    tenant.ready()
    tenant.world.aws.fail_next(
        "apigateway",
        "UpdateApiKey",
        code="TooManyRequestsException",
        message="Too Many Requests",
        status=429,
        count=1000,
    )
    tenant.edit_key(enabled=True)
    tenant.reported("RenewalFailing", seconds=_SECONDS)
    lookups(tenant, more=2)
    tenant.world.aws.clear_faults()
    eventually(tenant.works, seconds=_SECONDS)
    assert tenant.ready()["keyId"] == first["keyId"]
    assert events(tenant, "KeyLost") == []


def test_a_restart_does_not_make_a_lost_key_ready(
    tenant: GatewayTenant, stage: tuple[World, OperatorProcess]
) -> None:
    """The status reports the loss: the cloud is asked before anything else is said."""
    _, operator = stage
    plan = tenant.plan(apiStages=[])
    first = tenant.key_ready(usagePlan={"id": plan})
    leave(tenant, plan, first["keyId"])
    tenant.gateway.delete_usage_plan(usagePlanId=plan)
    lost(tenant, containing=plan)
    operator.kill()
    tenant.world.aws.fail_next(
        "apigateway", "GetApiKeys", code="Internal", message="no", status=500, count=1000
    )
    operator.start()
    lookups(tenant, more=5)
    assert condition(tenant.status(), "Ready")["status"] == "False"
    tenant.world.aws.clear_faults()
    lookups(tenant, more=1)
    lost(tenant, containing="usage plan")
    assert events(tenant, "Recovered") == []
