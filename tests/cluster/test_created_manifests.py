"""What `keywright create` prints is accepted by a real API server, and works."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from keywright.cli.exit_codes import ExitCode
from keywright.cli.main import main
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.command_line import keywright
from tests.cluster.eventually import eventually
from tests.unit.cli.test_create import GRANTS, OF_OTHERS, SOURCES

_ROLE = "arn:aws:iam::123456789012:role/created"
_PROVIDER = "acs:ram::1234567890123456:oidc-provider/ack-rrsa"
_TENANT = ("tenant", "created-a", "--region=us-west-2", f"--role-arn={_ROLE}")
COMMANDS = (
    (*_TENANT, "--kind=bedrock", "--duration=1h", "--format=OpenAIEnv"),
    (*_TENANT, "--kind=bedrock-long-term", "--user=created"),
    (*_TENANT, "--kind=session", "--format=AwsCredentialProcess", "--restart=Deployment/x"),
    (*_TENANT, "--kind=api-gateway", "--usage-plan=abc123", "--assume-role", f"{_ROLE}-2"),
    (
        *("tenant", "created-b", "--cloud=alibaba", "--region=cn-hangzhou", "--kind=session"),
        *(f"--oidc-provider-arn={_PROVIDER}", "--role-arn=acs:ram::1234567890123456:role/x"),
    ),
    (
        *("tenant", "created-c", "--cloud=alibaba", "--region=cn-hangzhou", "--kind=session"),
        "--access-key-secret=key",
    ),
    *(("source", "x", "--namespace=created-d", *options) for options in SOURCES.values()),
    *(
        ("grant", "x", "--namespace=created-d", "--source=x", *options)
        for options in (*GRANTS.values(), *(options for _, options in OF_OTHERS.values()))
    ),
)


def _created(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> list[Any]:
    assert main(["create", *arguments]) is ExitCode.OK
    return list(yaml.safe_load_all(capsys.readouterr().out))


@pytest.mark.parametrize("arguments", COMMANDS, ids=str)
def test_the_api_server_accepts_it(
    world: World, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a warning of an unknown field, as strict validation would refuse it."""
    objects = _created(arguments, capsys)
    namespace = objects[-1]["metadata"]["namespace"]
    name = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    world.api.apply(name)
    for each in objects:
        path = world.api.path_of(each)
        query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "test"}
        world.api.request("PATCH", path, query=query, body=each, content_type=_APPLY)


_APPLY = "application/apply-patch+yaml"


def test_an_applied_tenant_becomes_ready_and_is_explained(
    world: World, operator: OperatorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the role that it names; a second time, nothing changes and nothing fails."""
    assert operator.process.exit_code is None
    name = "created-tenant"
    command = (
        *("create", "tenant", name, "--region=us-west-2", "--source=bedrock", "--grant=chat-key"),
        *(f"--role-arn={_ROLE}-tenant", "--kind=bedrock", "--duration=1h", "--apply"),
        f"--kubeconfig={world.cluster.kubeconfig}",
    )
    world.create_role(name=name, namespace=name, service_account="bedrock")
    for done in ("created", "configured"):
        assert main([*command]) is ExitCode.OK
        assert f"ApiKeyGrant chat-key {done}\n" in capsys.readouterr().out
    path = f"/apis/keywright.dev/v1alpha1/namespaces/{name}/apikeygrants/chat-key"
    eventually(lambda: world.api.get(path).get("status", {}).get("revision") == 1)
    shown = [
        keywright(world, "explain", *target, f"--namespace={name}")
        for target in (("source", "bedrock"), ("grant", "chat-key"))
    ]
    assert [(each.code, each.err) for each in shown] == [(ExitCode.OK, "")] * 2
    assert shown[0].out == shown[1].out
    (role,) = shown[0].json()["holders"]
    (trust,) = role["trustPolicy"]["Statement"]
    host = world.cluster.issuer.removeprefix("https://")
    subject = f"system:serviceaccount:{name}:bedrock"
    assert trust["Condition"]["StringEquals"][f"{host}:sub"] == subject
    assert role["grants"] == [f"ApiKeyGrant {name}/chat-key"]
    world.api.delete(f"/api/v1/namespaces/{name}")


@pytest.mark.parametrize("target", [["source", "absent"], ["grant", "absent"]], ids=str)
def test_an_object_that_does_not_exist_is_named(world: World, target: list[str]) -> None:
    """Exit code 1, as for `status`."""
    shown = keywright(world, "explain", *target, "--namespace=default")
    assert (shown.code, "absent" in shown.err) == (ExitCode.FINDINGS, True)
