"""API Gateway keys whose grants are edited: what changes in place, and what costs a new key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.gateway import KEY, GatewayTenant
from tests.cluster.tenants import Document, condition


@pytest.fixture
def tenant(new_gateway_tenant: Callable[[], GatewayTenant]) -> GatewayTenant:
    """A namespace whose grants are API Gateway keys."""
    return new_gateway_tenant()


def test_edited_limits_and_tags_leave_the_key(tenant: GatewayTenant) -> None:
    """Limits, stages, tags, description, customer, name change in place; no Secret is written."""
    status = tenant.key_ready(**tenant.made_plan(), tags={"team": "orders"})
    before = tenant.secret()["metadata"]["resourceVersion"]
    stage = {**tenant.stage, "methodThrottles": {"/orders/GET": {"burstLimit": 9}}}
    tenant.edit_key(
        usagePlan={
            "create": {
                "apiStages": [stage],
                "throttle": {"rateLimit": 7.5, "burstLimit": None},
                "quota": {"limit": 10, "period": "DAY", "offset": 0},
            }
        },
        tags={"team": None, "cost": "42"},
        description="Partner A, by contract",
        customerId="customer-1",
        keyName="renamed",
    )
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (status["keyId"], 1)
    assert tenant.secret()["metadata"]["resourceVersion"] == before
    (plan,) = tenant.plans().values()
    assert plan["throttle"] == {"rateLimit": 7.5}
    assert plan["quota"] == {"limit": 10, "period": "DAY", "offset": 0}
    assert plan["apiStages"][0]["throttle"] == {"/orders/GET": {"burstLimit": 9}}
    (key,) = tenant.keys().values()
    assert (key["name"], key["description"]) == ("renamed", "Partner A, by contract")
    assert key["customerId"] == "customer-1"
    assert {"cost": "42"}.items() <= key["tags"].items()
    assert "team" not in key["tags"]
    assert tenant.works()
    patches = tenant.world.aws.calls(service="apigateway", action="UpdateUsagePlan")
    assert len([call for call in patches if call.parameters["plan"] == plan["id"]]) == 1


def test_a_key_that_is_not_enabled_opens_nothing(tenant: GatewayTenant) -> None:
    """`enabled` is switched in place, off and on."""
    status = tenant.key_ready(usagePlan={"id": tenant.plan()})
    tenant.edit_key(enabled=False)
    tenant.ready()
    assert not tenant.works()
    tenant.edit_key(enabled=True)
    assert tenant.ready()["keyId"] == status["keyId"]
    assert tenant.works()


def test_another_plan_gets_another_key(tenant: GatewayTenant) -> None:
    """What the key is has changed: a new one; the old one, and its plan, go after the overlap."""
    first = tenant.key_ready(**tenant.made_plan())["keyId"]
    data, gold = tenant.data(), tenant.plan()
    tenant.edit_key(usagePlan={"create": None, "id": gold})
    second = tenant.revision(2)["keyId"]
    assert second != first
    assert tenant.works(data)
    eventually(lambda: list(tenant.keys()) == [second])
    assert not tenant.works(data)
    assert tenant.works()
    eventually(lambda: tenant.plans() == {})


def test_an_imported_value_moves_to_another_plan(tenant: GatewayTenant) -> None:
    """No two keys can have one value: the same key changes its plan, and the Secret stays."""
    tenant.put_input("value", _VALUE)
    first = tenant.key_ready(usagePlan={"id": tenant.plan()}, **tenant.value_from("value"))
    silver = tenant.plan(name="silver")
    tenant.edit_key(usagePlan={"id": silver})
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (first["keyId"], 1)
    assert tenant.plan_keys(silver) == [after["keyId"].rpartition("/")[2]]
    assert tenant.data()[KEY] == _VALUE
    assert tenant.works()


def test_further_plans_may_be_named_and_made(tenant: GatewayTenant) -> None:
    """All that a plan to be made says holds for further ones as well; one may be named instead."""
    api = tenant.world.aws.deploy_api(name="refunds", region="us-west-2", stage="beta")
    third = tenant.world.aws.deploy_api(name="claims", region="us-west-2", stage="test")
    named = tenant.plan(name="refunds", apiStages=[{"apiId": api.id, "stage": "beta"}])
    throttles = {"/orders/GET": {"rateLimit": 1.5, "burstLimit": 3}}
    made: Document = {
        "name": f"{tenant.namespace}-claims",
        "apiStages": [{"apiId": third.id, "stage": "test", "methodThrottles": throttles}],
        "throttle": {"rateLimit": 5, "burstLimit": 7},
        "quota": {"limit": 10, "period": "MONTH", "offset": 3},
    }
    further = [{"name": tenant.plan_name(named)}, {"create": made}]
    status = tenant.key_ready(
        usagePlan={"id": tenant.plan()}, additionalUsagePlans=further, rotateEvery="10d"
    )
    key = status["keyId"].rpartition("/")[2]
    assert tenant.plan_keys(named) == [key]
    plan = tenant.plans()[made["name"]]
    assert tenant.plan_keys(plan["id"]) == [key]
    (stage,) = plan["apiStages"]
    assert (stage["apiId"], stage["stage"], stage["throttle"]) == (third.id, "test", throttles)
    assert (plan["throttle"], plan["quota"]) == (made["throttle"], made["quota"])
    issued, renews = (datetime.fromisoformat(status[name]) for name in ("issuedAt", "renewAt"))
    assert timedelta(days=9) < renews - issued <= timedelta(days=10)


def test_several_plans_of_one_key(tenant: GatewayTenant) -> None:
    """A key may be in a plan for each stage; a stage in two of them is refused beforehand."""
    other = tenant.world.aws.deploy_api(name="refunds", region="us-west-2", stage="beta")
    refunds = tenant.plan(name="refunds", apiStages=[{"apiId": other.id, "stage": "beta"}])
    again = tenant.plan(name="again")
    tenant.apply_source()
    requested = {**tenant.made_plan(), "additionalUsagePlans": [{"id": refunds}, {"id": again}]}
    tenant.apply_key(**requested)
    message = condition(tenant.reported("Stalled", reason="StageInTwoPlans"), "Stalled")["message"]
    for words in (f"{tenant.api.id}:prod", again, "to be made", "additionalUsagePlans"):
        assert words in message
    assert (tenant.keys(), tenant.plans()) == ({}, {})
    tenant.edit_key(additionalUsagePlans=[{"id": refunds}])
    key = tenant.ready()["keyId"].rpartition("/")[2]
    assert tenant.plan_keys(refunds) == [key]
    assert tenant.works()


_VALUE = "imported-by-a-test-of-edits"


def test_another_region_gets_another_key(tenant: GatewayTenant) -> None:
    """A key works in its region alone: there is a new one, and the old one goes with its plan."""
    everywhere = {"Effect": "Allow", "Action": "apigateway:*", "Resource": "*"}
    tenant.world.aws.put_role_policy(
        role=tenant.role,
        name="everywhere",
        document={"Version": "2012-10-17", "Statement": [everywhere]},
    )
    first = tenant.key_ready(usagePlan={"create": {"name": tenant.namespace}})["keyId"]
    tenant.apply_source(region="eu-west-1")
    second = tenant.revision(2)["keyId"]
    assert (first.split("/")[1], second.split("/")[1]) == ("us-west-2", "eu-west-1")
    eventually(lambda: (tenant.keys(), tenant.plans()) == ({}, {}))
    eventually(lambda: not tenant.status().get("retiring"))
    there = tenant.world.aws.administrator("apigateway", region="eu-west-1")
    assert there.get_api_key(apiKey=second.rpartition("/")[2])["enabled"]
    tenant.delete()
    assert [key for key in there.get_api_keys()["items"] if tenant.namespace in key["name"]] == []
