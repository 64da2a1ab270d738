"""Long-term keys of every AWS service that has them, used by the vendors' own SDKs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.clusters.api import ApiError
from testbed.operators import OperatorProcess
from testbed.readers import PollingReader
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import short
from tests.cluster.service_keys import (
    CLAUDE,
    CLOUDWATCH,
    GROUP,
    KIND,
    LOGS,
    REGION,
    SERVICES,
    STREAM,
    WORKSPACE,
    XRAY,
    Service,
    ServiceKeyTenant,
    add_log_group,
    ask,
    tenants,
)
from tests.cluster.tenants import GRANT, condition
from tests.cluster.tier import Record

_RENEWALS = 20
_LOOKED_UP = 60
_PROBE = {"mode": "Service", "timeout": "1s"}
MakeTenant = Callable[[Service], ServiceKeyTenant]


@pytest.fixture
def make_tenant(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[MakeTenant]:
    """Namespaces whose grants are keys of a service."""
    assert operator.process.exit_code is None
    yield from tenants(world, name=short(request))


@pytest.fixture(params=SERVICES, ids=str)
def tenant(make_tenant: MakeTenant, request: pytest.FixtureRequest) -> ServiceKeyTenant:
    """One for each service."""
    return make_tenant(request.param)


def renew(tenant: ServiceKeyTenant, *, revision: int) -> None:
    """Ask for a new key, and return when it is there."""
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})
    tenant.revision(revision)


def test_a_key_is_made_used_and_revoked(tenant: ServiceKeyTenant) -> None:
    """Apply to Ready, one call of the vendor's SDK, and nothing left after the deletion."""
    service = tenant.service
    status = tenant.key_ready()
    assert tenant.listed() == {status["keyId"]: "Active"}
    assert tenant.ask().error is None
    attached = tenant.iam.list_attached_user_policies(UserName=tenant.user)["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [f"arn:aws:iam::aws:policy/{service.policy}"]
    (listed,) = tenant.iam.list_service_specific_credentials(UserName=tenant.user)[
        "ServiceSpecificCredentials"
    ]
    assert listed["ServiceName"] == service.iam_name
    tenant.world.api.delete(tenant.grant_path())
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()))
    assert not tenant.has_user()


def test_the_secret_has_what_the_sdk_reads(make_tenant: MakeTenant) -> None:
    """Endpoint, headers with an encoded key, and protocol; variables for templates as well."""
    tenant = make_tenant(LOGS)
    tenant.apply_source(sessionDuration=None)
    spec = tenant.spec()
    spec["secret"] = {
        "formats": ["OtlpLogsEnv", "ApiKey", "DotEnv"],
        "data": {"url": "${otlpUrl}", "headers": "${otlpHeaders}"},
    }
    tenant.apply_grant(**spec)
    tenant.ready()
    data = tenant.data()
    encoded = data["apiKey"].replace("+", "%2B").replace("=", "%3D")
    headers = f"Authorization=Bearer%20{encoded},x-aws-log-group={GROUP},x-aws-log-stream={STREAM}"
    url = f"https://logs.{REGION}.amazonaws.com/v1/logs"
    assert data == {
        "apiKey": data["apiKey"],
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": headers,
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
        ".env": (
            f"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT={url}\nOTEL_EXPORTER_OTLP_LOGS_HEADERS={headers}\n"
        ),
        "url": url,
        "headers": headers,
    }


def test_one_grant_owns_a_user_that_others_use(make_tenant: MakeTenant) -> None:
    """All applied at once; the user stays while another grant has a key, with two per service."""
    owner = make_tenant(CLOUDWATCH)
    policies = [f"arn:aws:iam::aws:policy/{each.policy}" for each in (CLOUDWATCH, LOGS, XRAY)]
    owner.apply_source(sessionDuration=None)
    user = {"name": owner.user, "create": False}
    for service in (XRAY, LOGS):
        key = {
            "service": service.name,
            **service.fields,
            "user": user,
            "rotateEvery": "7d",
            "overlap": "2s",
        }
        spec = {**owner.spec(), KIND: key, "secret": {"formats": [service.form]}}
        owner.apply_grant(name=service.host, **spec)
    owner.apply_key(policyArns=policies)
    owner.ready()
    for service in (XRAY, LOGS):
        owner.ready(name=service.host)
        assert ask(service, owner.data(service.host), world=owner.world).error is None
    assert owner.ask().error is None
    assert len(owner.listed()) == 3
    renew(owner, revision=2)
    eventually(lambda: len(owner.listed()) == 3)
    owner.world.api.delete(owner.grant_path())
    # It waits for half a minute for the others to be deleted too.
    eventually(lambda: not owner.world.api.exists(owner.grant_path()), seconds=90)
    assert owner.has_user()
    assert set(owner.listed()) == {
        owner.ready(name=service.host)["keyId"] for service in (XRAY, LOGS)
    }
    assert ask(XRAY, owner.data(XRAY.host), world=owner.world).ok


def test_user_and_key_are_as_the_grant_says(make_tenant: MakeTenant) -> None:
    """Path, tags, policies, restrictions and expiry, and the Region of the clients."""
    tenant = make_tenant(XRAY)
    inline = {"Effect": "Allow", "Action": "xray:Put*", "Resource": "*"}
    user = {**tenant.key_spec()["user"], "path": "/keywright/team/", "tags": {"team": "a"}}
    status = tenant.key_ready(
        user=user,
        inlinePolicies={"only": {"Version": "2012-10-17", "Statement": [inline]}},
        allowedSourceCidrs=["127.0.0.0/8"],
        notAfter="2099-01-01T00:00:00Z",
        expiresAfterDays=30,
        rotateEvery="10d",
        region="eu-central-1",
    )
    found = tenant.iam.get_user(UserName=tenant.user)["User"]
    assert found["Path"] == "/keywright/team/"
    assert {"Key": "team", "Value": "a"} in found["Tags"]
    names = tenant.iam.list_user_policies(UserName=tenant.user)["PolicyNames"]
    assert sorted(names) == ["keywright-restrictions", "only"]
    issued, ends = (datetime.fromisoformat(status[each]) for each in ("issuedAt", "expiresAt"))
    assert round((ends - issued).total_seconds() / 86400) == 30
    endpoint = tenant.data()["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
    assert endpoint == "https://xray.eu-central-1.amazonaws.com/v1/traces"
    assert tenant.works()
    tenant.edit_grant(awsLongTermKey={"allowedSourceCidrs": ["10.0.0.0/8"]})
    assert tenant.ready()["keyId"] == status["keyId"]
    assert not tenant.works()


def test_the_boundary_of_the_user_limits_the_key(make_tenant: MakeTenant) -> None:
    """Whatever the policies of the user allow."""
    tenant = make_tenant(CLOUDWATCH)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    tenant.key_ready(inlinePolicies={"all": {"Version": "2012-10-17", "Statement": [everything]}})
    assert tenant.works()
    nothing = {"Effect": "Deny", "Action": "cloudwatch:PutMetricData", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [everything, nothing]}
    arn = tenant.world.aws.create_managed_policy(name=tenant.namespace, document=document)
    tenant.iam.put_user_permissions_boundary(UserName=tenant.user, PermissionsBoundary=arn)
    assert not tenant.works()


def test_another_workspace_needs_no_new_key(make_tenant: MakeTenant) -> None:
    """The key itself names none: only the Secret changes."""
    tenant = make_tenant(CLAUDE)
    first = tenant.key_ready()
    assert tenant.data()["ANTHROPIC_AWS_WORKSPACE_ID"] == WORKSPACE
    tenant.edit_grant(awsLongTermKey={"workspaceId": "wrkspc_Other"})
    eventually(lambda: tenant.data()["ANTHROPIC_AWS_WORKSPACE_ID"] == "wrkspc_Other")
    assert tenant.ready()["keyId"] == first["keyId"]


def test_another_log_group_needs_no_new_key(make_tenant: MakeTenant) -> None:
    """The same for a log group and its stream."""
    tenant = make_tenant(LOGS)
    first = tenant.key_ready()
    tenant.edit_grant(awsLongTermKey={"logGroup": "/apps/other", "logStream": "second"})
    other = "x-aws-log-group=/apps/other,x-aws-log-stream=second"
    eventually(lambda: tenant.data()[LOGS.key_entry].endswith(other))
    assert tenant.ready()["keyId"] == first["keyId"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_key_that_iam_lists_as_expired_is_replaced(
    make_tenant: MakeTenant, operator: OperatorProcess
) -> None:
    """The third status beside Active and Inactive counts as lost; the old one goes."""
    tenant = make_tenant(CLOUDWATCH)
    first = tenant.key_ready()["keyId"]
    tenant.world.aws.end_service_credential(first.rpartition("/")[2])
    assert tenant.listed() == {first: "Expired"}
    assert not tenant.works()
    operator.kill()
    # Lookups after a start are spread over ten minutes by default.
    quick = tenant.world.operator(identity="keywright-quick", arguments=["--verify-spread=1s"])
    quick.start()
    try:
        second = tenant.revision(2, seconds=_LOOKED_UP)["keyId"]
        assert second != first
        eventually(lambda: tenant.listed() == {second: "Active"})
        assert tenant.works()
    finally:
        quick.stop()
        operator.start()


def test_a_service_cannot_change(make_tenant: MakeTenant) -> None:
    """A key of another service is another grant; the message says so."""
    tenant = make_tenant(CLOUDWATCH)
    tenant.key_ready()
    with pytest.raises(ApiError, match="service: a key cannot change its service: restore it"):
        tenant.edit_grant(awsLongTermKey={"service": "XRay"}, secret={"formats": ["ApiKey"]})


def test_a_key_is_probed(tenant: ServiceKeyTenant) -> None:
    """By a request without data, before it is published."""
    tenant.apply_source(sessionDuration=None)
    tenant.apply_grant(**tenant.spec(), probe={"mode": "Service"})
    tenant.ready()
    calls = tenant.world.aws.calls(service=tenant.service.host)
    assert any(tenant.user in (call.principal or "") for call in calls)


# ---- refusals: each names a field and a cure


def _probe_fails(tenant: ServiceKeyTenant, **changed: Any) -> str:
    """The message of the failing probe; no key is published."""
    tenant.apply_source(sessionDuration=None)
    tenant.apply_grant(**tenant.spec(**changed), probe=_PROBE)
    tenant.reported("Ready", status="False", reason="ProbeFailed")
    message = condition(tenant.status(), "Ready")["message"]
    assert not tenant.has_secret()
    return str(message)


def _expect(message: str, parts: Mapping[str, str]) -> None:
    assert {name: part for name, part in parts.items() if part not in message} == {}, message


def test_a_user_without_the_permissions_is_told(tenant: ServiceKeyTenant) -> None:
    """With the actions that the probe needs, and the user."""
    message = _probe_fails(tenant, policyArns=[])
    _expect(
        message,
        {"field": "spec.probe", "status": "answered 403", "cure": tenant.service.actions[0]},
    )


def test_a_log_group_that_accepts_no_keys_is_told(make_tenant: MakeTenant) -> None:
    """The mistake that the vendor's guide warns of; the key works for a group that accepts keys."""
    tenant = make_tenant(LOGS)
    group = f"/apps/{tenant.namespace}"
    add_log_group(tenant.world, group, accepts=False)
    cure = "bearer token authentication enabled for the group"
    message = _probe_fails(tenant, logGroup=group)
    _expect(message, {"field": "spec.probe", "status": "answered 403", "cure": cure})
    tenant.edit_grant(awsLongTermKey={"logGroup": GROUP})
    tenant.ready(seconds=60)
    assert tenant.works()


def test_a_log_group_that_does_not_exist_is_told(make_tenant: MakeTenant) -> None:
    """With group, stream and Region."""
    message = _probe_fails(make_tenant(LOGS), logGroup="/apps/missing")
    cure = f"log group /apps/missing and stream {STREAM} in {REGION}"
    _expect(message, {"field": "spec.probe", "status": "answered 400", "cure": cure})


def test_an_account_without_outbound_federation_is_told(make_tenant: MakeTenant) -> None:
    """As for short-term keys of Claude Platform on AWS."""
    tenant = make_tenant(CLAUDE)
    tenant.world.aws.set_outbound_federation(enabled=False)
    message = _probe_fails(tenant)
    _expect(
        message,
        {
            "status": "Claude Platform on AWS answered 403",
            "cure": "outbound web identity federation in the account",
        },
    )


def _stalls(tenant: ServiceKeyTenant, reason: str) -> str:
    return str(condition(tenant.reported("Stalled", reason=reason), "Stalled")["message"])


def test_two_unknown_keys_of_the_service_are_named(tenant: ServiceKeyTenant) -> None:
    """With their IDs; with `exclusive`, the older one makes room. Other services do not count."""
    iam, service = tenant.iam, tenant.service
    iam.create_user(UserName=tenant.user, Path="/keywright/")
    iam.attach_user_policy(
        UserName=tenant.user, PolicyArn=f"arn:aws:iam::aws:policy/{service.policy}"
    )
    made = [
        iam.create_service_specific_credential(UserName=tenant.user, ServiceName=name)[
            "ServiceSpecificCredential"
        ]["ServiceSpecificCredentialId"]
        for name in (service.iam_name, service.iam_name, "bedrock.amazonaws.com")
    ]
    older, newer, other = (f"{ACCOUNT}/{tenant.user}/{each}" for each in made)
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key(user={"name": tenant.user, "create": False})
    message = _stalls(tenant, "KeyLimitReached")
    _expect(
        message,
        {
            "field": f"spec.{KIND}.user",
            "older": older,
            "newer": newer,
            "cure": f"set spec.{KIND}.exclusive to true",
        },
    )
    assert other not in message
    tenant.edit_grant(awsLongTermKey={"exclusive": True})
    ours = tenant.ready()["keyId"]
    assert set(tenant.listed()) == {newer, other, ours}
    assert tenant.works()


def test_a_missing_user_is_told(make_tenant: MakeTenant) -> None:
    """With the ways out."""
    tenant = make_tenant(XRAY)
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key(user={"name": tenant.user, "create": False})
    tenant.reported("Ready", status="False", reason="UserNotFound")
    message = condition(tenant.status(), "Ready")["message"]
    _expect(message, {"field": f"spec.{KIND}.user.name", "cure": "set user.create to true"})


def test_a_user_of_somebody_else_is_told(make_tenant: MakeTenant) -> None:
    """With `create`, a user that lacks our tag is refused, and its policies are untouched."""
    tenant = make_tenant(XRAY)
    tenant.iam.create_user(UserName=tenant.user, Path="/keywright/")
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key()
    message = _stalls(tenant, "UserNotOurs")
    _expect(message, {"field": f"spec.{KIND}.user", "cure": "create to false"})
    assert tenant.listed() == {}


def test_a_policy_that_the_role_may_not_attach_is_told(make_tenant: MakeTenant) -> None:
    """With the command that prints the permissions of the role."""
    tenant = make_tenant(CLOUDWATCH)
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key(policyArns=["arn:aws:iam::aws:policy/AmazonBedrockFullAccess"])
    tenant.reported("Ready", status="False", reason="AccessDenied")
    message = condition(tenant.status(), "Ready")["message"]
    cure = f"the permissions that keywright explain prints, for user {tenant.user}"
    _expect(message, {"field": "CredentialSource spec.aws", "cure": cure})


def test_a_policy_that_does_not_exist_is_told(make_tenant: MakeTenant) -> None:
    """With the field."""
    tenant = make_tenant(XRAY)
    everything = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [everything]}
    tenant.world.aws.put_role_policy(role=tenant.role, name="all", document=document)
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key(policyArns=[f"arn:aws:iam::{ACCOUNT}:policy/missing"])
    tenant.reported("Ready", status="False", reason="NoSuchEntity")
    message = condition(tenant.status(), "Ready")["message"]
    _expect(message, {"field": f"spec.{KIND}.policyArns", "cure": "create it, or correct it"})


# ---- renewals


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_no_reader_ever_has_a_failed_call(
    make_tenant: MakeTenant, service: Service, tmp_path: Path, record_property: Record
) -> None:
    """Over twenty renewals, each of which retires the key before, not one call is refused."""
    tenant = make_tenant(service)
    tenant.key_ready(overlap="2s")
    reader = PollingReader(
        tmp_path,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=GRANT,
        cloud_environment=tenant.world.aws.client_environment(),
        clients=(service.client,),
    )
    ids = {tenant.status()["keyId"]}
    with reader:
        for revision in range(2, _RENEWALS + 2):
            renew(tenant, revision=revision)
            ids.add(tenant.status()["keyId"])
            eventually(lambda: not tenant.status().get("retiring"))
        last = str(_RENEWALS + 1)
        reader.wait_until(lambda seen: bool(seen) and seen[-1].revision == last, seconds=30)
    record_property("calls of the SDK", len(reader.readings()))
    assert reader.failures() == []
    assert len(ids) == _RENEWALS + 1
    assert list(tenant.listed()) == [tenant.ready()["keyId"]]
