"""Bedrock keys whose session has a policy: least privilege inside the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from testbed.readers.tunnels import RefusedError, Tunnel
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, KEY, Tenant, condition

_RUNTIME = "bedrock-runtime.us-west-2.amazonaws.com"
_MANTLE = "bedrock-mantle.us-west-2.api.aws"
_SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
_NOVA = "amazon.nova-lite-v1:0"
_LIMITED = "arn:aws:iam::aws:policy/AmazonBedrockMantleInferenceAccess"
_MESSAGES = [{"role": "user", "content": [{"text": "?"}]}]
_RUNTIME_ONLY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["bedrock:CallWithBearerToken", "bedrock:InvokeModel"],
            "Resource": "*",
        }
    ],
}


def _is_allowed(tenant: Tenant, data: Mapping[str, str], host: str, path: str, body: Any) -> bool:
    """Whether the emulated Bedrock carries out the call of a reader."""
    tunnel = Tunnel(host, cloud_environment=tenant.world.aws.client_environment())
    headers = {"Authorization": f"Bearer {data[KEY]}", "Content-Type": "application/json"}
    try:
        tunnel.ask("POST", path, headers=headers, body=json.dumps(body))
    except RefusedError as error:
        if "not authorized" not in str(error):
            raise
        return False
    finally:
        tunnel.close()
    return True


def converse(tenant: Tenant, data: Mapping[str, str], model: str) -> bool:
    """Whether the model can be invoked with the key."""
    return _is_allowed(tenant, data, _RUNTIME, f"/model/{model}/converse", {"messages": _MESSAGES})


def _chat(tenant: Tenant, data: Mapping[str, str], host: str, path: str, model: str) -> bool:
    chat = {"model": model, "messages": [{"role": "user", "content": "?"}]}
    return _is_allowed(tenant, data, host, path, chat)


def _sessions(tenant: Tenant) -> list[dict[str, Any]]:
    """The policies of the sessions that the tenant's role was assumed with."""
    return [
        json.loads(call.parameters["Policy"]) if "Policy" in call.parameters else {}
        for call in tenant.world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
        if call.parameters.get("RoleArn") == tenant.role_arn
    ]


def test_a_key_invokes_its_models_alone(tenant: Tenant) -> None:
    """By model and by inference profile, through the runtime and through Mantle."""
    models = ["anthropic.*", "openai.gpt-oss-20b*"]
    tenant.become_ready(bedrockShortTermKey={"allowedModels": models})
    data = tenant.data()
    assert {
        "model": converse(tenant, data, _SONNET),
        "profile": converse(tenant, data, f"us.{_SONNET}"),
        "other": converse(tenant, data, _NOVA),
        "profile of another": converse(tenant, data, f"global.{_NOVA}"),
    } == {"model": True, "profile": True, "other": False, "profile of another": False}
    path = "/v1/chat/completions"
    runtime = f"/openai{path}"
    assert {
        "runtime": _chat(tenant, data, _RUNTIME, runtime, "openai.gpt-oss-20b-1:0"),
        "runtime, other": _chat(tenant, data, _RUNTIME, runtime, "openai.gpt-oss-120b-1:0"),
        "mantle": _chat(tenant, data, _MANTLE, path, "openai.gpt-oss-20b"),
        "mantle, other": _chat(tenant, data, _MANTLE, path, "openai.gpt-oss-120b"),
    } == {"runtime": True, "runtime, other": False, "mantle": True, "mantle, other": False}


def test_a_session_policy_limits_the_key(tenant: Tenant) -> None:
    """A policy of the user's own, and managed ones; the role itself may do more."""
    tenant.apply_source()
    limits = {"own": {"policy": _RUNTIME_ONLY}, "managed": {"policyArns": [_LIMITED]}}
    for name, limit in limits.items():
        tenant.apply_grant(name=name, bedrockShortTermKey=limit)
    found = {}
    for name in ("own", "managed"):
        tenant.ready(name=name)
        data = tenant.data(name)
        found[name] = (
            converse(tenant, data, _NOVA),
            _chat(tenant, data, _MANTLE, "/v1/chat/completions", "openai.gpt-oss-20b"),
        )
    assert found == {"own": (True, False), "managed": (False, True)}


def test_grants_with_the_same_models_share_a_session(tenant: Tenant) -> None:
    """One session without limits for the source, and one for both grants, in any order."""
    tenant.apply_source()
    orders = {"one": ["anthropic.*", "amazon.*"], "two": ["amazon.*", "anthropic.*"]}
    for name, models in orders.items():
        tenant.apply_grant(name=name, bedrockShortTermKey={"allowedModels": models})
    for name in ("one", "two"):
        tenant.ready(name=name)
    limited = [policy for policy in _sessions(tenant) if policy]
    assert len(limited) == 1


def test_other_models_are_another_key(tenant: Tenant) -> None:
    """An edit issues a key with the new limits, and one that changes nothing issues none."""
    first = tenant.become_ready(bedrockShortTermKey={"allowedModels": ["anthropic.*", "amazon.*"]})
    tenant.apply_grant(bedrockShortTermKey={"allowedModels": ["amazon.*", "anthropic.*"]})
    same = tenant.ready()
    assert same["revision"] == first["revision"]
    tenant.apply_grant(bedrockShortTermKey={"allowedModels": ["amazon.*"]})
    eventually(lambda: tenant.ready()["revision"] > first["revision"])
    data = tenant.data()
    assert (converse(tenant, data, _NOVA), converse(tenant, data, _SONNET)) == (True, False)


def test_a_refused_policy_names_the_field_of_the_grant(tenant: Tenant) -> None:
    """And leaves the source, and grants without limits, as they are."""
    wrong = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Acton": "x"}]}
    tenant.become_ready(name="plain")
    tenant.apply_grant(bedrockShortTermKey={"policy": wrong})

    eventually(
        lambda: condition(tenant.status(), "Ready").get("reason") == "MalformedPolicyDocument"
    )
    ready = condition(tenant.status(), "Ready")
    assert ready["message"].startswith("spec.bedrockShortTermKey.policy: ")
    assert tenant.ready(name="plain")
    tenant.apply_grant(bedrockShortTermKey={"policy": None})
    assert tenant.ready(name=GRANT)
