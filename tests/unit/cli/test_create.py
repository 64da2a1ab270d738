"""The command `keywright create` prints manifests that pass `keywright lint`."""

from __future__ import annotations

import io
import shlex
from typing import Any

import pytest
import yaml

from keywright.cli.exit_codes import ExitCode
from keywright.cli.linting.engine import lint
from keywright.cli.main import main
from keywright.cli.manifest_reader import read_paths
from testbed.world import ROOT
from tests.cluster.guides import COMMANDS

ROLE = "arn:aws:iam::123456789012:role/chat"
PROVIDER = "acs:ram::1234567890123456:oidc-provider/ack-rrsa"
SOURCES = {
    "web identity": ["--region=us-west-2", f"--role-arn={ROLE}", "--session-duration=12h"],
    "another account": ["--region=us-west-2", f"--role-arn={ROLE}", "--service-account=chat-aws"],
    "shared": ["--region=us-west-2", f"--role-arn={ROLE}", "--allow-namespace=search"],
    "chain": ["--region=cn-north-1", f"--role-arn={ROLE}", f"--assume-role={ROLE}-2"],
    "access key": ["--region=us-west-2", "--access-key-secret=key"],
    "rrsa": [
        "--cloud=alibaba",
        "--region=cn-hangzhou",
        f"--oidc-provider-arn={PROVIDER}",
        "--role-arn=acs:ram::1234567890123456:role/chat",
    ],
    "ram role": [
        "--cloud=alibaba",
        "--region=cn-hangzhou",
        "--access-key-secret=key",
        "--role-arn=acs:ram::1234567890123456:role/chat",
    ],
    "alibaba access key": ["--cloud=alibaba", "--region=cn-hangzhou", "--access-key-secret=key"],
}
GRANTS = {
    "bedrock": ["--kind=bedrock", "--duration=12h", "--format=BedrockEnv", "--format=OpenAIEnv"],
    "restarted": ["--kind=bedrock", "--restart=Deployment/chat", "--restart=statefulset/db"],
    "long-term": ["--kind=bedrock-long-term", "--user=bedrock-chat"],
    "session": ["--kind=session", "--duration=1h", "--format=AwsCredentialProcess"],
    "api gateway": ["--kind=api-gateway", "--usage-plan=abc123", "--rotate-every=7d"],
    "other secret": ["--kind=bedrock", "--secret-name=keys"],
}


def _create(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = main(["create", *arguments])
    shown = capsys.readouterr()
    assert (code, shown.err) == (ExitCode.OK, ""), shown.err
    return shown.out


def _findings(*texts: str, operator: str = "keywright-system/keywright") -> list[str]:
    namespace, _, name = operator.partition("/")
    stream = io.BytesIO("---\n".join(texts).encode())
    found = lint(read_paths(["-"], stdin=stream), operator=(namespace, name)).findings
    return [f"{each.rule.id} {each.message}" for each in found]


@pytest.mark.parametrize("options", SOURCES.values(), ids=SOURCES)
def test_a_source_passes_lint(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the right to its token, if it has one."""
    assert _findings(_create(capsys, "source", "cloud", "-n", "chat", *options)) == []


@pytest.mark.parametrize("options", GRANTS.values(), ids=GRANTS)
def test_a_grant_passes_lint_beside_its_source(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the right to restart its workloads."""
    source = _create(capsys, "source", "cloud", "-n", "chat", *SOURCES["web identity"])
    grant = _create(capsys, "grant", "key", "-n", "chat", "--source=cloud", *options)
    assert _findings(source, grant) == []


def test_a_bearer_token_is_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a source of another namespace."""
    text = _create(
        capsys,
        *("grant", "key", "-n", "chat", "--kind=bearer"),
        *("--source=center", "--source-namespace=platform"),
    )
    spec = yaml.safe_load(text)["spec"]
    assert spec == {
        "sourceRef": {"name": "center", "namespace": "platform"},
        "bearerToken": {},
    }


def test_tenants_have_everything_for_each_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    """Roles and users by the namespace, and the rights of an operator of another name."""
    text = _create(
        capsys,
        *("tenant", "team-a", "team-b", "--region=us-west-2", "--operator=ops/keywright-2"),
        "--role-arn=arn:aws:iam::123456789012:role/{namespace}",
        *("--kind=bedrock-long-term", "--user=bedrock-{namespace}"),
    )
    assert _findings(text, operator="ops/keywright-2") == []
    objects: list[Any] = list(yaml.safe_load_all(text))
    kinds = [each["kind"] for each in objects]
    one = ["Namespace", "ServiceAccount", "CredentialSource", "Role", "RoleBinding", "ApiKeyGrant"]
    assert kinds == one * 2
    grants = [each for each in objects if each["kind"] == "ApiKeyGrant"]
    assert [each["spec"]["bedrockLongTermKey"]["user"]["name"] for each in grants] == [
        "bedrock-team-a",
        "bedrock-team-b",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["source", "x", "-n", "chat", "--region=us-west-2"], "--role-arn is missing"),
        (["source", "x", "-n", "chat", "--cloud=alibaba", "--region=cn-hangzhou"], "provider-arn"),
        (
            ["source", "x", "-n", "chat", "--region=US", f"--role-arn={ROLE}"],
            "spec.aws.region must be an AWS region",
        ),
        (["grant", "x", "-n", "chat", "--source=y", "--kind=bedrock", "--duration=24h"], "12h"),
        (["grant", "x", "-n", "chat", "--source=y", "--kind=bedrock-long-term"], "--user"),
        (["grant", "x", "-n", "chat", "--source=y", "--kind=api-gateway"], "--usage-plan"),
        (["grant", "x", "-n", "chat", "--source=y", "--kind=bedrock", "--restart=chat"], "KIND/"),
        (["grant", "x", "-n", "chat", "--source=y", "--kind=bedrock", "--format=X"], "BedrockEnv"),
        (
            ["grant", "x", "-n", "c", "--source=y", "--kind=bedrock", "--operator=keywright"],
            "NAMESPACE/NAME",
        ),
        (
            ["source", "x", "-n", "Chat", "--region=us-west-2", f"--role-arn={ROLE}"],
            "--namespace C",
        ),
        (["source", "x", "-n", "c" * 64, "--region=us-west-2", f"--role-arn={ROLE}"], "at most 63"),
        (["source", "a_b", "-n", "chat", "--region=us-west-2", f"--role-arn={ROLE}"], "NAME a_b:"),
        (["grant", "x" * 254, "-n", "chat", "--source=y", "--kind=bedrock"], "at most 253"),
        (["grant", "x", "-n", "chat", "--source=y.", "--kind=bedrock"], "--source y.:"),
        (
            ["grant", "x", "-n", "chat", "--source=y", "--kind=bedrock", "--secret-name=A"],
            "name A:",
        ),
        (
            ["grant", "x", "-n", "c", "--source=y", "--kind=bedrock", "--restart=Deployment/-x"],
            "--restart -x:",
        ),
        (
            ["grant", "x", "-n", "c", "--source=y", "--kind=bedrock", "--operator=Ops/keywright"],
            "--operator Ops:",
        ),
        (
            ["grant", "x", "-n", "c", "--source=y", "--kind=bedrock", *["--restart=Rollout/x"] * 2],
            "--restart Rollout/x is given twice",
        ),
        (["grant", "x", "-n", "c", "--source=y", "--kind=bedrock", "--user=x"], "--user has no"),
        (["grant", "x", "-n", "c", "--source=y", "--kind=bearer", "--duration=1h"], "on --kind be"),
        (
            ["grant", "x", "-n", "c", "--source=y", "--kind=session", "--rotate-every=7d"],
            "--rotate-every has no effect on --kind session",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["access key"], "--session-duration=1h"],
            "--session-duration has no effect beside --access-key-secret",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["web identity"], f"--oidc-provider-arn={PROVIDER}"],
            "--oidc-provider-arn has no effect on --cloud aws",
        ),
        (["tenant", "a", "a", *SOURCES["web identity"], "--kind=bedrock"], "NAMESPACE a is given"),
    ],
    ids=str,
)
def test_wrong_options_are_usage_errors(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed that the API server would refuse."""
    assert main(["create", *arguments]) is ExitCode.USAGE
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_workloads_of_one_name_share_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    """Two Roles of one name would replace each other."""
    restarts = [
        f"--restart={each}" for each in ("Deployment/chat", "StatefulSet/chat", "Rollout/x")
    ]
    options = ["grant", "key", "-n", "chat", "--source=cloud", "--kind=bedrock", *restarts]
    objects = list(yaml.safe_load_all(_create(capsys, *options)))
    roles = {
        each["metadata"]["name"]: [rule["resources"] for rule in each["rules"]]
        for each in objects
        if each["kind"] == "Role"
    }
    assert roles == {
        "keywright-rollout-chat": [["deployments"], ["statefulsets"]],
        "keywright-rollout-x": [["rollouts"]],
    }
    assert [each["kind"] for each in objects].count("Role") == 2


def _documented() -> list[str]:
    """The commands of docs/lint.md and docs/manifests.md."""
    return [
        line
        for page in ("lint.md", "manifests.md")
        for block in COMMANDS.findall((ROOT / "docs" / page).read_text())
        for line in block.splitlines()
    ]


@pytest.mark.parametrize("command", _documented())
def test_the_commands_of_the_guides_work(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a user would paste them in the root of the repository."""
    program, *arguments = shlex.split(command)
    placed = [str(ROOT / each) if each.startswith("examples") else each for each in arguments]
    assert program == "keywright"
    assert main(placed) is ExitCode.OK, capsys.readouterr().err
    assert capsys.readouterr().err == ""
