"""Keys of a session that STS has limited further: GetScopedCredentials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keywright.api.times import parse_time
from tests.cluster import sdk
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Document, Tenant, condition
from tests.cluster.test_limited_bedrock_keys import converse
from tests.cluster.test_sts_credentials import arn, credentials_of

_NOVA = "amazon.nova-lite-v1:0"
_SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
_SCOPING = {"Effect": "Allow", "Action": "sts:GetScopedCredentials", "Resource": "*"}
_MODELS = {"allowedModels": ["anthropic.*", "amazon.*"], "scopedSession": True}


def _policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def _source_policy(model: str) -> Document:
    """The session policy of a source: the models of one vendor, and limiting its sessions."""
    invoke = {
        "Effect": "Allow",
        "Action": ["bedrock:InvokeModel", "bedrock:ListFoundationModels"],
        "Resource": ["*"] if model == "*" else [f"arn:aws:bedrock:*::foundation-model/{model}"],
    }
    bearer = {"Effect": "Allow", "Action": "bedrock:CallWithBearerToken", "Resource": "*"}
    return _policy(invoke, bearer, _SCOPING)


def _allow_scoping(tenant: Tenant) -> None:
    tenant.world.aws.put_role_policy(role=tenant.role, name="scoping", document=_policy(_SCOPING))


def _calls(tenant: Tenant, action: str) -> list[Any]:
    """The calls of the tenant's role, or for it."""
    return [
        call
        for call in tenant.world.aws.calls(service="sts", action=action)
        if tenant.role_arn == call.parameters.get("RoleArn")
        or f":assumed-role/{tenant.role}/" in (call.principal or "")
    ]


def test_the_limits_of_source_and_grant_both_apply(tenant: Tenant) -> None:
    """The source allows one vendor, the grant two: the key can invoke that of both."""
    _allow_scoping(tenant)
    tenant.apply_source(policy=_source_policy("anthropic.*"))
    tenant.apply_grant(bedrockShortTermKey=_MODELS)
    tenant.ready()
    data = tenant.data()
    assert (converse(tenant, data, _SONNET), converse(tenant, data, _NOVA)) == (True, False)


def test_grants_that_ask_the_same_share_one_scoped_session(tenant: Tenant) -> None:
    """One role session for the source, and one limited session for each set of limits."""
    _allow_scoping(tenant)
    tenant.apply_source(policy=_source_policy("*"))
    tenant.apply_grant(name="plain")
    for name in ("one", "two"):
        tenant.apply_grant(name=name, bedrockShortTermKey=_MODELS)
    other = {"allowedModels": ["amazon.*"], "scopedSession": True}
    tenant.apply_grant(name="three", bedrockShortTermKey=other)
    for name in ("plain", "one", "two", "three"):
        tenant.ready(name=name)
    assert len(_calls(tenant, "AssumeRoleWithWebIdentity")) == 1
    assert len(_calls(tenant, "GetScopedCredentials")) == 2


def test_it_expires_and_renews_with_the_session_of_the_source(tenant: Tenant) -> None:
    """Its expiry is that of the session, and each renewal begins with a new one."""
    tenant.world.aws.limit_sessions(seconds=10)
    _allow_scoping(tenant)
    tenant.apply_source()
    tenant.apply_grant(bedrockShortTermKey=_MODELS)
    first = tenant.ready()
    renewed = eventually(
        lambda: status if (status := tenant.status())["revision"] >= 4 else {}, seconds=60
    )
    assert parse_time(renewed["expiresAt"]) > parse_time(first["expiresAt"])
    assert converse(tenant, tenant.data(), _SONNET)
    roles = len(_calls(tenant, "AssumeRoleWithWebIdentity"))
    assert len(_calls(tenant, "GetScopedCredentials")) <= roles


def test_sts_credentials_are_limited_as_well(tenant: Tenant) -> None:
    """Same role session, fewer permissions, and an earlier end."""
    _allow_scoping(tenant)
    tenant.apply_source(policy=_source_policy("*"), sessionDuration="12h")
    listing = {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "*"}
    limits: Document = {"policy": _policy(listing), "duration": "15m", "scopedSession": True}
    tenant.world.api.apply(credentials_of(tenant, **limits))
    status = tenant.ready()
    ends = parse_time(status["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=13) < ends <= timedelta(minutes=15, seconds=1)
    data, cloud = tenant.data(), tenant.world.aws.client_environment()
    assert sdk.who({**cloud, **data}) == arn(tenant)
    with sdk.pod({**cloud, **data}):
        client = sdk.client("bedrock")
        with pytest.raises(ClientError, match="AccessDenied"):
            client.list_foundation_models()


def test_a_role_that_may_not_limit_its_session_is_reported(tenant: Tenant) -> None:
    """With the permission to add; the grant heals by itself, and others are not affected."""
    tenant.become_ready(name="plain")
    tenant.apply_grant(bedrockShortTermKey=_MODELS)
    eventually(lambda: condition(tenant.status(), "Ready").get("reason") == "AccessDenied")
    message = condition(tenant.status(), "Ready")["message"]
    assert "Allow sts:GetScopedCredentials" in message
    assert tenant.ready(name="plain")
    _allow_scoping(tenant)
    assert tenant.ready(name=GRANT)


def test_a_wrong_policy_of_the_source_is_not_blamed_on_the_grant(tenant: Tenant) -> None:
    """Both have policies: the message names the one that STS refuses."""
    wrong = _policy({"Effect": "Allow", "Acton": "x"})
    tenant.apply_source(policy=wrong)
    tenant.apply_grant(bedrockShortTermKey=_MODELS)
    eventually(
        lambda: condition(tenant.status(), "Ready").get("reason") == "MalformedPolicyDocument"
    )
    message = condition(tenant.status(), "Ready")["message"]
    assert message.startswith("CredentialSource spec.aws.webIdentity.policy: ")
