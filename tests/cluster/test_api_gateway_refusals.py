"""API Gateway keys that cannot be created: what is reported, and that nothing was created."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.operators import OperatorProcess
from testbed.readers import PollingReader
from testbed.readers.http_api import NAME as HTTP_API
from tests.cluster.gateway import KEY, PARTNER, GatewayTenant
from tests.cluster.tenants import condition

_UNKNOWN_SECONDS = 5.0
# Of a value that is cut, its beginning or end would be left.
_PIECE = 12


@pytest.fixture
def tenant(new_gateway_tenant: Callable[[], GatewayTenant]) -> GatewayTenant:
    """A namespace whose grants are API Gateway keys."""
    return new_gateway_tenant()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A grant that fails because of `session_options`, and the expected condition."""

    reason: str
    session_options: Callable[[GatewayTenant], dict[str, Any]]
    says: tuple[str, ...]

    def __str__(self) -> str:
        return self.reason


def _two_of_a_name(tenant: GatewayTenant) -> dict[str, Any]:
    plans = [tenant.plan(name="twins") for _ in range(2)]
    return {"usagePlan": {"name": tenant.plan_name(plans[0])}}


def _somebody_elses_plan(tenant: GatewayTenant) -> dict[str, Any]:
    name = tenant.plan_name(tenant.plan(name="theirs"))
    return {"usagePlan": {"create": {"name": name}}}


def _somebody_elses_value(tenant: GatewayTenant) -> dict[str, Any]:
    value = tenant.value("theirs")
    plan = tenant.plan()
    tenant.foreign_key(plan, value=value)
    tenant.put_input("value", value)
    return {"usagePlan": {"id": plan}, **tenant.value_from("value")}


def _short_value(tenant: GatewayTenant) -> dict[str, Any]:
    tenant.put_input("value", "short")
    return {"usagePlan": {"id": tenant.plan()}, **tenant.value_from("value")}


def _stage_that_is_not_there(tenant: GatewayTenant) -> dict[str, Any]:
    stage = {"apiId": tenant.api.id, "stage": "none"}
    return {"usagePlan": {"create": {"name": tenant.namespace, "apiStages": [stage]}}}


REFUSALS = (
    Refusal(
        "UsagePlanNotFound",
        lambda _: {"usagePlan": {"id": "zzzzzz"}},
        ("spec.apiGatewayKey.usagePlan.id: there is no usage plan zzzzzz", "usagePlan.create"),
    ),
    Refusal(
        "UsagePlanAmbiguous",
        _two_of_a_name,
        ("spec.apiGatewayKey.usagePlan.name: 2 usage plans are named", "by its id"),
    ),
    Refusal(
        "UsagePlanNotOurs",
        _somebody_elses_plan,
        ("spec.apiGatewayKey.usagePlan.create.name", "was not made by Keywright", "usagePlan.id"),
    ),
    Refusal(
        "StageNotFound",
        _stage_that_is_not_there,
        ("spec.apiGatewayKey.usagePlan.create.apiStages", "API Stage not found", "Deploy the API"),
    ),
    Refusal(
        "ValueTaken",
        _somebody_elses_value,
        (
            "spec.apiGatewayKey.valueFrom.secretKeyRef: the value is that of API key",
            "another value",
        ),
    ),
    Refusal(
        "ValueInvalid",
        _short_value,
        ("spec.apiGatewayKey.valueFrom.secretKeyRef: the value has 5 characters", "20 to 128"),
    ),
    Refusal(
        "SecretNotFound",
        lambda tenant: {"usagePlan": {"id": tenant.plan()}, **tenant.value_from("none")},
        ("spec.apiGatewayKey.valueFrom.secretKeyRef: there is no Secret none-input", "Create it"),
    ),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_refusal_is_told_and_heals(tenant: GatewayTenant, refusal: Refusal) -> None:
    """Stalled with field and remedy, and no key; an edit of the grant heals it at once."""
    tenant.apply_source()
    tenant.apply_key(**refusal.session_options(tenant))
    message = condition(tenant.reported("Stalled", reason=refusal.reason), "Stalled")["message"]
    assert [words for words in refusal.says if words not in message] == []
    assert (tenant.keys(), tenant.has_secret()) == ({}, False)
    tenant.edit_key(usagePlan={"id": tenant.plan(name="other"), "name": None, "create": None})
    tenant.edit_key(valueFrom=None)
    assert tenant.ready()["revision"] == 1
    assert tenant.works()


def test_a_missing_right_is_named(tenant: GatewayTenant) -> None:
    """The refused action, and the file that has the policy; healed by the policy alone."""
    policy = {"Statement": [{"Effect": "Deny", "Action": "apigateway:PUT", "Resource": "*"}]}
    tenant.world.aws.put_role_policy(
        role=tenant.role, name="less", document={"Version": "2012-10-17", **policy}
    )
    tenant.apply_source()
    tenant.apply_key(usagePlan={"id": tenant.plan()})
    reported = tenant.reported("Ready", status="False", reason="AccessDenied")
    message = condition(reported, "Ready")["message"]
    assert "apigateway:PUT on resource: arn:aws:apigateway:us-west-2::/tags/" in message
    assert "examples/api-gateway-for-a-partner/permissions-policy.json" in message
    allowed = {"Statement": [{"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"}]}
    tenant.world.aws.put_role_policy(
        role=tenant.role, name="less", document={"Version": "2012-10-17", **allowed}
    )
    assert tenant.ready(seconds=40)["revision"] == 1


def test_a_plan_that_takes_its_time_costs_no_call(tenant: GatewayTenant, tmp_path: Path) -> None:
    """Plans do not know new keys for seconds: with a probe the old one is read until they do."""
    tenant.apply_source()
    probe = {"mode": "Http", "url": f"{tenant.api.url}/orders", "timeout": "30s"}
    tenant.apply_key(spec={"probe": probe}, usagePlan={"id": tenant.plan()})
    tenant.ready()
    tenant.world.aws.new_keys_fail_for(_UNKNOWN_SECONDS)
    reader = PollingReader(
        tmp_path,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=PARTNER,
        cloud_environment=tenant.environment(),
        clients=[HTTP_API],
    )
    with reader:
        tenant.ask_for_renewal()
        tenant.reported("ProbeFailing")
        tenant.rotated(2)
        reader.wait_until(lambda seen: bool(seen) and seen[-1].revision == "2", seconds=30)
    assert reader.failures() == []
    assert len(tenant.keys()) == 1


def test_no_value_is_told(tenant: GatewayTenant, operator: OperatorProcess) -> None:
    """Neither log nor status nor Event has a piece of a value, whatever went wrong with it."""
    aws = tenant.world.aws
    aws.damage_next("apigateway", "CreateApiKey")
    tenant.key_ready(usagePlan={"id": tenant.plan()})
    aws.damage_next("apigateway", "ImportApiKeys")
    rows = [f"{name},{tenant.value(name)}" for name in ("a", "b", "b")]
    tenant.put_input("file", "\n".join(("Name,Key", *rows, "c,short-planted-value")))
    requested = {"usagePlan": {"id": tenant.plan(name="file")}, **tenant.csv_from("file")}
    tenant.apply_key(name="file", spec={"secret": {"formats": None}}, **requested)
    tenant.ready(name="file")
    reported = operator.log.read_text()
    reported += json.dumps([tenant.grant(), tenant.grant("file")])
    events = f"/apis/events.k8s.io/v1/namespaces/{tenant.namespace}/events"
    reported += json.dumps(tenant.world.api.get(events))
    values = [tenant.data()[KEY], *tenant.data("file").values(), "short-planted-value"]
    assert len(values) == 4
    pieces = [piece for value in values for piece in (value[:_PIECE], value[-_PIECE:])]
    assert [piece for piece in pieces if piece in reported] == []
