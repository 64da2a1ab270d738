"""API Gateway's usage plans, and the deployed API that enforces them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.api_gateway import Partner
from tests.testbed.world import refusal

if TYPE_CHECKING:
    from tests.testbed.world import Tenant

FORBIDDEN = (403, {"message": "Forbidden"}, "ForbiddenException")
THROTTLED = (429, {"message": "Too Many Requests"}, "TooManyRequestsException")
EXCEEDED = (429, {"message": "Limit Exceeded"}, "LimitExceededException")


@pytest.fixture
def partner(tenant: Tenant) -> Partner:
    """A deployed API and its administrator."""
    return Partner(tenant)


def test_a_plan_is_as_it_was_asked_for(partner: Partner) -> None:
    """Stages with their methods' throttles, throttle, quota and tags."""
    wanted: dict[str, Any] = {
        "name": "gold",
        "description": "the best",
        "apiStages": [
            {**partner.stage, "throttle": {"/orders/GET": {"burstLimit": 2, "rateLimit": 1.0}}}
        ],
        "throttle": {"burstLimit": 10, "rateLimit": 5.0},
        "quota": {"limit": 1000, "offset": 2, "period": "WEEK"},
        "tags": {"team": "chat"},
    }
    reported = partner.client.get_usage_plan(usagePlanId=partner.plan(**wanted))
    assert {name: reported[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("requested", "code", "words"),
    [
        (
            {"apiStages": [{"apiId": "none", "stage": "prod"}]},
            "NotFoundException",
            "API Stage not found: none:prod",
        ),
        (
            {"quota": {"limit": 1, "offset": 1, "period": "DAY"}},
            "BadRequestException",
            "Usage Plan quota offset must be zero in the DAY period",
        ),
        (
            {"quota": {"limit": 1, "offset": 28, "period": "MONTH"}},
            "BadRequestException",
            "Usage Plan quota offset must be between zero and 27 inclusive in the MONTH period",
        ),
    ],
)
def test_a_plan_out_of_form_is_refused(
    partner: Partner, requested: dict[str, Any], code: str, words: str
) -> None:
    """A stage must be deployed, an offset lie in its period."""
    assert refusal(partner.plan, **requested)[1:] == (code, words)


def test_a_plan_is_patched(partner: Partner) -> None:
    """Limits of the plan and of one method, quota and name; ~1 stands for a slash."""
    plan = partner.plan()
    stage = f"{partner.api.id}:{partner.api.stage}"
    method = f"/apiStages/{stage}/throttle/~1orders/GET"
    changed = partner.client.update_usage_plan(
        usagePlanId=plan,
        patchOperations=[
            {"op": "replace", "path": "/name", "value": "silver"},
            {"op": "add", "path": "/throttle/rateLimit", "value": "3.5"},
            {"op": "add", "path": "/throttle/burstLimit", "value": "7"},
            {"op": "add", "path": "/quota/limit", "value": "9"},
            {"op": "add", "path": "/quota/period", "value": "DAY"},
            {"op": "replace", "path": f"{method}/rateLimit", "value": "1"},
            {"op": "replace", "path": f"{method}/burstLimit", "value": "2"},
        ],
    )
    assert changed["name"] == "silver"
    assert changed["throttle"] == {"rateLimit": 3.5, "burstLimit": 7}
    assert changed["quota"] == {"limit": 9, "offset": 0, "period": "DAY"}
    limits = {"/orders/GET": {"rateLimit": 1.0, "burstLimit": 2}}
    assert changed["apiStages"] == [{**partner.stage, "throttle": limits}]
    cleared = partner.client.update_usage_plan(
        usagePlanId=plan,
        patchOperations=[
            {"op": "remove", "path": method},
            {"op": "remove", "path": "/quota"},
            {"op": "remove", "path": "/throttle"},
            {"op": "remove", "path": "/apiStages", "value": stage},
        ],
    )
    assert cleared["apiStages"] == []
    assert not cleared.keys() & {"quota", "throttle"}


def test_a_patch_that_is_none_changes_nothing(partner: Partner) -> None:
    """All operations hold or none."""
    plan = partner.plan(name="as-it-was")
    stage = f"{partner.api.id}:{partner.api.stage}"
    reported = refusal(
        partner.client.update_usage_plan,
        usagePlanId=plan,
        patchOperations=[
            {"op": "replace", "path": "/name", "value": "changed"},
            {"op": "remove", "path": f"/apiStages/{stage}"},
        ],
    )
    assert reported[2].startswith(
        f"Invalid patch path  '/apiStages/{stage}' specified for op 'remove'. Must be one of: ["
    )
    assert partner.client.get_usage_plan(usagePlanId=plan)["name"] == "as-it-was"


def test_a_plan_in_use_cannot_be_deleted(partner: Partner) -> None:
    """First its stages go, then its keys, then the plan; a second time it is not there."""
    plan = partner.plan()
    key = partner.key(plan)
    stage = f"{partner.api.id}:{partner.api.stage}"
    assert refusal(partner.client.delete_usage_plan, usagePlanId=plan) == (
        400,
        "BadRequestException",
        (
            f"Cannot delete Usage Plan {plan} because there are API Stages associated with it, "
            f"including {stage}"
        ),
    )
    partner.client.update_usage_plan(
        usagePlanId=plan,
        patchOperations=[{"op": "remove", "path": "/apiStages", "value": stage}],
    )
    assert refusal(partner.client.delete_usage_plan, usagePlanId=plan)[1] == "BadRequestException"
    partner.client.delete_usage_plan_key(usagePlanId=plan, keyId=key["id"])
    partner.client.delete_usage_plan(usagePlanId=plan)
    assert refusal(partner.client.get_usage_plan, usagePlanId=plan) == (
        404,
        "NotFoundException",
        "Invalid Usage Plan ID specified",
    )


def test_a_key_has_one_plan_for_a_stage(partner: Partner) -> None:
    """Neither the same plan twice nor another plan of the same stage."""
    plan, other = partner.plan(), partner.plan()
    key = partner.key(plan)
    add = partner.client.create_usage_plan_key
    for taken in (plan, other):
        reported = refusal(add, usagePlanId=taken, keyId=key["id"], keyType="API_KEY")
        assert reported[:2] == (409, "ConflictException")
    for named in ({"usagePlanId": "none", "keyId": key["id"]}, {"usagePlanId": plan, "keyId": "n"}):
        assert refusal(add, **named, keyType="API_KEY")[:2] == (404, "NotFoundException")
    elsewhere = partner.plan(apiStages=[])
    add(usagePlanId=elsewhere, keyId=key["id"], keyType="API_KEY")
    plans = partner.client.get_usage_plans(keyId=key["id"])["items"]
    assert {item["id"] for item in plans} == {plan, elsewhere}


def test_the_keys_of_a_plan_come_in_pages(partner: Partner) -> None:
    """A deleted key is in no plan any more."""
    plan = partner.plan()
    made = [partner.key(plan)["id"] for _ in range(5)]
    partner.client.delete_api_key(apiKey=made[0])
    pages = partner.client.get_paginator("get_usage_plan_keys").paginate(
        usagePlanId=plan, PaginationConfig={"PageSize": 2}
    )
    assert sorted(key["id"] for page in pages for key in page["items"]) == sorted(made[1:])


def test_a_method_asks_for_a_key(partner: Partner) -> None:
    """No key, an unknown one, one without a plan and a disabled one are all forbidden."""
    plan = partner.plan()
    good, without = partner.key(plan), partner.key()
    off = partner.key(plan, enabled=False)
    assert partner.call(good["value"])[:2] == (
        200,
        {"stage": "prod", "path": "/orders", "method": "GET", "apiKeyId": good["id"]},
    )
    for refused in (None, "unknown-unknown-unknown", without["value"], off["value"]):
        assert partner.call(refused) == FORBIDDEN
    partner.client.delete_api_key(apiKey=good["id"])
    assert partner.call(good["value"]) == FORBIDDEN


def test_an_unknown_path_is_told_as_aws_does(partner: Partner) -> None:
    """With words that send people looking for a token."""
    key = partner.key(partner.plan())
    assert partner.call(key["value"], path="/nothing") == (
        403,
        {"message": "Missing Authentication Token"},
        "MissingAuthenticationTokenException",
    )


def test_a_throttle_is_enforced(partner: Partner) -> None:
    """A burst is let through, then as many a second as the plan says, each key for itself."""
    plan = partner.plan(throttle={"burstLimit": 2, "rateLimit": 0.1})
    one, other = partner.key(plan), partner.key(plan)
    assert [partner.call(one["value"])[0] for _ in range(2)] == [200, 200]
    assert partner.call(one["value"]) == THROTTLED
    assert partner.call(other["value"])[0] == 200
    partner.tenant.cloud.set_clock(offset_seconds=11)
    assert partner.call(one["value"])[0] == 200


def test_a_methods_throttle_is_its_own(partner: Partner) -> None:
    """Other methods of the same stage go on."""
    limits = {"/orders/GET": {"burstLimit": 1, "rateLimit": 0.1}}
    key = partner.key(partner.plan(apiStages=[{**partner.stage, "throttle": limits}]))
    assert partner.call(key["value"])[0] == 200
    assert partner.call(key["value"]) == THROTTLED
    assert partner.call(key["value"], path="/refunds")[0] == 200


def test_a_quota_is_enforced_until_its_period_ends(partner: Partner) -> None:
    """Limit Exceeded until the next day begins."""
    key = partner.key(partner.plan(quota={"limit": 2, "period": "DAY"}))
    assert [partner.call(key["value"])[0] for _ in range(2)] == [200, 200]
    assert partner.call(key["value"]) == EXCEEDED
    partner.tenant.cloud.set_clock(offset_seconds=86400)
    assert partner.call(key["value"])[0] == 200


def test_a_plan_may_not_know_a_new_key_yet(partner: Partner) -> None:
    """As long as a test wants; keys that are in it go on."""
    plan = partner.plan()
    old = partner.key(plan)
    partner.tenant.cloud.new_keys_fail_for(120)
    new = partner.key(plan)
    assert partner.call(old["value"])[0] == 200
    assert partner.call(new["value"]) == FORBIDDEN
    partner.tenant.cloud.set_clock(offset_seconds=121)
    assert partner.call(new["value"])[0] == 200


def test_an_api_can_be_built_by_hand(partner: Partner) -> None:
    """With the calls of the SDK, as an administrator does."""
    client = partner.client
    api = client.create_rest_api(name="by-hand")
    item = client.create_resource(
        restApiId=api["id"], parentId=api["rootResourceId"], pathPart="items"
    )
    assert refusal(client.create_deployment, restApiId=api["id"])[1] == "BadRequestException"
    named = {"restApiId": api["id"], "resourceId": item["id"], "httpMethod": "GET"}
    client.put_method(**named, authorizationType="NONE", apiKeyRequired=True)
    client.put_integration(**named, type="MOCK")
    deployment = client.create_deployment(restApiId=api["id"])
    client.create_stage(restApiId=api["id"], stageName="dev", deploymentId=deployment["id"])
    plan = partner.plan(apiStages=[{"apiId": api["id"], "stage": "dev"}])
    assert client.get_usage_plan(usagePlanId=plan)["apiStages"][0]["stage"] == "dev"
    assert {found["path"] for found in client.get_resources(restApiId=api["id"])["items"]} == {
        "/",
        "/items",
    }
