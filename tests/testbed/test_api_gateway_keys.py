"""API Gateway's keys: made, listed, changed, imported, tagged and deleted, in AWS's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.api_gateway import Partner, value
from tests.testbed.world import allow, refusal

if TYPE_CHECKING:
    from tests.testbed.world import Tenant


@pytest.fixture
def partner(tenant: Tenant) -> Partner:
    """A deployed API and its administrator."""
    return Partner(tenant)


def test_a_key_is_as_it_was_asked_for(partner: Partner) -> None:
    """The value is returned on creation, and later on request."""
    wanted = {
        "name": "partner-a",
        "value": value(),
        "description": "for a",
        "customerId": "c-1",
        "enabled": True,
        "tags": {"keywright.dev/uid": "u-1"},
    }
    made = partner.client.create_api_key(**wanted)
    assert {name: made[name] for name in wanted} == wanted
    answer = partner.client.get_api_key(apiKey=made["id"])
    assert "value" not in answer
    assert answer["tags"] == wanted["tags"]
    assert (
        partner.client.get_api_key(apiKey=made["id"], includeValue=True)["value"]
        == (wanted["value"])
    )


def test_a_key_without_a_value_gets_one_and_is_not_enabled(partner: Partner) -> None:
    """Names may repeat, values may not."""
    one, other = (partner.client.create_api_key(name="same") for _ in range(2))
    assert len(one["value"]) == 40
    assert one["value"] != other["value"]
    assert one["enabled"] is False


@pytest.mark.parametrize(
    ("requested", "answer"),
    [
        ({"value": "x" * 19}, "API Key value should be at least 20 characters"),
        ({"value": "x" * 129}, "API Key value exceeds maximum size of 128 characters"),
        ({"name": "x" * 1025}, "Invalid API Key name, can be at most 1024 characters."),
    ],
)
def test_a_key_out_of_bounds_is_refused(
    partner: Partner, requested: dict[str, Any], answer: str
) -> None:
    """BadRequestException, and nothing is made."""
    assert refusal(partner.client.create_api_key, **requested) == (
        400,
        "BadRequestException",
        answer,
    )


def test_a_value_is_taken_once(partner: Partner) -> None:
    """Until the key is deleted."""
    made = partner.key()
    again = {"name": "other", "value": made["value"]}
    assert refusal(partner.client.create_api_key, **again) == (
        409,
        "ConflictException",
        "API Key already exists",
    )
    partner.client.delete_api_key(apiKey=made["id"])
    partner.client.create_api_key(**again)
    assert refusal(partner.client.delete_api_key, apiKey=made["id"]) == (
        404,
        "NotFoundException",
        "Invalid API Key identifier specified",
    )


def test_keys_are_listed_in_pages(partner: Partner) -> None:
    """By name and by customer; botocore's paginator follows `position`."""
    made = {partner.key(name="paged", customerId="c-7")["id"] for _ in range(5)}
    partner.key(name="paged", customerId="c-8")
    found = partner.client.get_api_keys(nameQuery="paged", customerId="c-7", limit=2)
    assert len(found["items"]) == 2
    assert found["position"]
    pages = partner.client.get_paginator("get_api_keys").paginate(
        nameQuery="paged", customerId="c-7", includeValues=True, PaginationConfig={"PageSize": 2}
    )
    keys = [key for page in pages for key in page["items"]]
    assert {key["id"] for key in keys} == made
    assert all(key["value"] for key in keys)


def test_a_key_is_patched(partner: Partner) -> None:
    """Name, description, customer and enabled; its value is what it is."""
    made = partner.key()
    changed = partner.client.update_api_key(
        apiKey=made["id"],
        patchOperations=[
            {"op": "replace", "path": "/enabled", "value": "false"},
            {"op": "replace", "path": "/description", "value": "changed"},
        ],
    )
    assert (changed["enabled"], changed["description"]) == (False, "changed")
    value_change = [{"op": "replace", "path": "/value", "value": value()}]
    assert refusal(
        partner.client.update_api_key, apiKey=made["id"], patchOperations=value_change
    ) == (
        400,
        "BadRequestException",
        (
            "Invalid patch path  '/value' specified for op 'replace'. "
            "Must be one of: [/description, /enabled, /name, /customerId]"
        ),
    )


def test_tags_can_be_changed(partner: Partner) -> None:
    """By ARN, which has no account ID; a missing key is reported."""
    arn = f"arn:aws:apigateway:us-east-1::/apikeys/{partner.key(tags={'a': '1'})['id']}"
    partner.client.tag_resource(resourceArn=arn, tags={"b": "2", "c": "3"})
    partner.client.untag_resource(resourceArn=arn, tagKeys=["a", "c"])
    assert partner.client.get_tags(resourceArn=arn)["tags"] == {"b": "2"}
    gone = "arn:aws:apigateway:us-east-1::/apikeys/none"
    assert refusal(partner.client.get_tags, resourceArn=gone)[1] == "NotFoundException"


def _import(partner: Partner, *rows: str, **requested: Any) -> dict[str, Any]:
    body = "\n".join(rows).encode()
    answer: dict[str, Any] = partner.client.import_api_keys(body=body, format="csv", **requested)
    return answer


def test_many_keys_are_imported(partner: Partner) -> None:
    """Columns in any order and case; a key may go into several plans."""
    plan = partner.plan()
    first, second = value(), value()
    made = _import(
        partner,
        "Enabled,name,KEY,Ignored,UsagePlanIds,description",
        f'TRUE,imported-1,{first},x,"{plan}",one',
        f"false,imported-2,{second},x,,",
    )
    assert made["warnings"] == []
    answer = partner.client.get_api_key(apiKey=made["ids"][0], includeValue=True)
    assert (answer["name"], answer["value"], answer["description"]) == ("imported-1", first, "one")
    assert answer["enabled"] is True
    assert partner.client.get_api_key(apiKey=made["ids"][1])["enabled"] is False
    assert partner.call(first)[0] == 200


def test_bad_rows_are_told_and_left_out(partner: Partner) -> None:
    """One warning for each; with failOnWarnings nothing is made."""
    twice = f"{partner.plan()},{partner.plan()}"
    rows = [
        "name,key,usageplanids",
        f"good,{value()},",
        "short,abc,",
        f"plan,{value()},none",
        f'two,{value()},"{twice}"',
    ]
    made = _import(partner, *rows)
    assert len(made["ids"]) == 1
    short, unknown, two = made["warnings"]
    assert short.startswith("Row 2: API Key value should be at least")
    assert unknown == "Row 3: Invalid Usage Plan ID specified"
    assert two.startswith("Row 4: API Key has two plans for API Stage")
    rows[1] = f"another,{value()},"
    assert refusal(lambda: _import(partner, *rows, failOnWarnings=True))[1] == (
        "BadRequestException"
    )
    assert partner.client.get_api_keys(nameQuery="another")["items"] == []
    assert refusal(lambda: _import(partner, "name", "x"))[1] == "BadRequestException"


def test_a_value_imported_again_overwrites(partner: Partner) -> None:
    """As the file format's page says: the latest version holds, under the same id."""
    same = value()
    (first,) = _import(partner, "name,key", f"before,{same}")["ids"]
    (second,) = _import(partner, "name,key", f"after,{same}")["ids"]
    assert first == second
    assert partner.client.get_api_key(apiKey=first)["name"] == "after"


def test_the_callers_policy_is_taken_to_the_letter(tenant: Tenant, partner: Partner) -> None:
    """The HTTP method on the path is the action; tags on creation take PUT on tags as well."""
    keys = "arn:aws:apigateway:us-east-1::/apikeys"
    policy = allow("apigateway:POST", resource=keys)
    policy["Statement"] += allow("apigateway:GET", resource=f"{keys}/*")["Statement"]
    tenant.cloud.put_role_policy(role=tenant.role_name, name="keys", document=policy)
    client = tenant.client("apigateway", credentials=tenant.session())
    made = client.create_api_key(name="least")
    client.get_api_key(apiKey=made["id"])
    status, code, answer = refusal(client.delete_api_key, apiKey=made["id"])
    assert (status, code) == (403, "AccessDeniedException")
    assert f"perform: apigateway:DELETE on resource: {keys}/{made['id']} because" in answer
    assert "apigateway:PUT" in refusal(client.create_api_key, name="t", tags={"a": "b"})[2]
    assert refusal(client.get_api_keys)[1] == "AccessDeniedException"
    assert partner.client.get_api_key(apiKey=made["id"])["name"] == "least"


def test_calls_can_be_paced(partner: Partner) -> None:
    """A request too many is TooManyRequestsException with 429 here."""
    partner.tenant.cloud.limit_rate("apigateway", 0.1)
    partner.client.get_api_keys()
    answer = refusal(partner.client.get_api_keys)
    assert answer == (429, "TooManyRequestsException", "Rate exceeded")


def test_values_are_among_the_secrets(partner: Partner) -> None:
    """So that a test can look for them where none may be; the journal has none."""
    made = partner.key(partner.plan())
    partner.call(made["value"])
    assert made["value"] in partner.tenant.cloud.secrets()
    assert made["value"] not in repr(partner.tenant.cloud.calls())


def test_what_is_not_true_is_false(partner: Partner) -> None:
    """UpdateApiKey refuses no value of /enabled."""
    change = [{"op": "replace", "path": "/enabled", "value": "garbage"}]
    made = partner.key()
    answer = partner.client.update_api_key(apiKey=made["id"], patchOperations=change)
    assert answer["enabled"] is False


def test_names_are_found_by_their_beginning(partner: Partner) -> None:
    """In the same case."""
    name = f"Partner-{value()}"
    made = partner.key(name=name)

    def found(query: str) -> list[str]:
        return [key["id"] for key in partner.client.get_api_keys(nameQuery=query)["items"]]

    assert found(name[:-1]) == [made["id"]]
    assert found(name[:-1].lower()) == []
    assert found(name[1:]) == []


def test_tags_are_in_the_list(partner: Partner) -> None:
    """And no member where there are none."""
    tagged, plain = partner.key(tags={"team": "chat"}), partner.key()
    listed = {key["id"]: key for key in partner.client.get_api_keys(limit=500)["items"]}
    assert listed[tagged["id"]]["tags"] == {"team": "chat"}
    assert "tags" not in listed[plain["id"]]


def test_an_unknown_plan_has_no_keys(partner: Partner) -> None:
    """The list is empty; it is no refusal."""
    assert partner.client.get_usage_plan_keys(usagePlanId="none")["items"] == []


def test_a_deleted_key_leaves_its_plans(partner: Partner) -> None:
    """Without being taken out first."""
    plan = partner.plan()
    made = partner.key(plan)
    partner.client.delete_api_key(apiKey=made["id"])
    assert partner.client.get_usage_plan_keys(usagePlanId=plan)["items"] == []
