"""The command `keywright create` prints manifests that pass `keywright lint`."""

from __future__ import annotations

import argparse
import io
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from keywright.api.keys import KeyKind
from keywright.api.token_exchange_source import TokenExchangeSource
from keywright.cli.create import EXCHANGES, KINDS
from keywright.cli.created_keys import key_of
from keywright.cli.exit_codes import ExitCode
from keywright.cli.linting.engine import lint
from keywright.cli.main import main
from keywright.cli.manifest_reader import read_paths
from keywright.clouds.token_exchange.requests import ENDPOINTS
from testbed.world import ROOT
from tests.cluster.guides import COMMANDS

ROLE = "arn:aws:iam::123456789012:role/chat"
PROVIDER = "acs:ram::1234567890123456:oidc-provider/ack-rrsa"
ANYWHERE = "arn:aws:rolesanywhere:us-west-2:123456789012"
WORKSPACE = "wrkspc_01AbCdEf23GhIj"
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
    "rrsa in beijing": [
        "--cloud=alibaba",
        "--region=cn-beijing",
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
    "alibaba bearer": ["--cloud=alibaba", "--region=cn-beijing", "--bearer-secret=parent"],
    "roles anywhere": [
        "--region=us-west-2",
        "--certificate-secret=edge-aws",
        f"--trust-anchor-arn={ANYWHERE}:trust-anchor/11111111-2222-3333-4444-555555555555",
        f"--profile-arn={ANYWHERE}:profile/66666666-7777-8888-9999-000000000000",
        f"--role-arn={ROLE}",
        "--session-duration=2h",
        f"--assume-role={ROLE}-2",
    ],
    "anthropic": [
        "--exchange=anthropic",
        "--federation-rule=fdrl_01AbCdEf23GhIjKl",
        "--organization=0a1b2c3d-4e5f-6789-abcd-ef0123456789",
        "--vendor-account=svac_01AbCdEf23GhIjKl",
        "--workspace=wrkspc_01AbCdEf23GhIj",
        "--token-expiration=2h",
    ],
    "openai": [
        "--exchange=openai",
        "--identity-provider=idp_01AbCdEf23GhIjKl",
        "--vendor-account=sa_01AbCdEf23GhIjKl",
        "--service-account=digest-openai",
    ],
    "openrouter": [
        "--exchange=openrouter",
        "--federation-policy=4b2f7d1e-8c3a-4e5f-9a6b-1c2d3e4f5a6b",
    ],
    "generic": [
        "--exchange=generic",
        "--endpoint=https://sts.example.com/oauth/token",
        "--audience=https://sts.example.com",
        "--parameter=audience=ledger-api",
        "--parameter=scope=a=b",
        "--allow-namespace=search",
    ],
}
GRANTS = {
    "bedrock": ["--kind=bedrock", "--duration=12h", "--format=BedrockEnv", "--format=OpenAIEnv"],
    "restarted": ["--kind=bedrock", "--restart=Deployment/chat", "--restart=statefulset/db"],
    "long-term": ["--kind=bedrock-long-term", "--user=bedrock-chat"],
    "session": ["--kind=session", "--duration=1h", "--format=AwsCredentialProcess"],
    "api gateway": ["--kind=api-gateway", "--usage-plan=abc123", "--rotate-every=7d"],
    "other secret": ["--kind=bedrock", "--secret-name=keys"],
    "claude platform": ["--kind=claude-platform", f"--workspace={WORKSPACE}", "--duration=1h"],
    "claude platform long-term": [
        *("--kind=claude-platform-long-term", f"--workspace={WORKSPACE}", "--user=claude"),
        "--rotate-every=14d",
    ],
    "cloudwatch": ["--kind=cloudwatch", "--user=metrics", "--format=OtlpMetricsEnv"],
    "cloudwatch logs": [
        *("--kind=cloudwatch-logs", "--user=metrics", "--existing-user"),
        *("--log-group=/apps/chat", "--log-stream=main", "--format=OtlpLogsEnv"),
    ],
    "cloudwatch logs, no group": ["--kind=cloudwatch-logs", "--user=metrics"],
    "xray": ["--kind=xray", "--user=traces", "--format=OtlpTracesEnv"],
    "codeartifact": [
        *("--kind=codeartifact", "--domain=my-domain", "--domain-owner=123456789012"),
        *("--repository=my-repository", "--duration=1h", "--format=PipConf"),
    ],
    "ecr": ["--kind=ecr", "--format=DockerConfigJson"],
}
OF_OTHERS = {
    "model studio": ("rrsa in beijing", ["--kind=model-studio", "--rotate-every=7d"]),
    "model studio, workspace": (
        "rrsa",
        ["--kind=model-studio", "--workspace=llm-1a2b", "--format=OpenAIEnv"],
    ),
    "model studio temporary": (
        "alibaba bearer",
        ["--kind=model-studio-temporary", "--workspace=llm-1a2b", "--duration=20m"],
    ),
    "bearer": ("alibaba bearer", ["--kind=bearer"]),
    **{
        f"token of {vendor}": (vendor, ["--kind=access-token"])
        for vendor in ("anthropic", "openai", "openrouter", "generic")
    },
    "token for OpenAI's SDK": ("openrouter", ["--kind=access-token", "--format=OpenAIEnv"]),
}
"""Grants of other sources than those of AWS."""


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


@pytest.mark.parametrize(("source", "options"), OF_OTHERS.values(), ids=OF_OTHERS)
def test_a_grant_of_another_source_passes_lint(
    source: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the source that its kind needs."""
    made = _create(capsys, "source", "cloud", "-n", "chat", *SOURCES[source])
    grant = _create(capsys, "grant", "key", "-n", "chat", "--source=cloud", *options)
    assert _findings(made, grant) == []


def test_every_kind_and_vendor_can_be_created() -> None:
    """A new kind of key without a way to create it fails here."""
    created = {each[0].removeprefix("--kind=") for each in GRANTS.values()}
    created |= {options[0].removeprefix("--kind=") for _, options in OF_OTHERS.values()}
    assert created == set(KINDS)
    made = {key_of(_options(kind), "chat").popitem()[0] for kind in KINDS}
    # Two are of the same kind for other services.
    assert made == {kind.value for kind in KeyKind} - _ELSEWHERE
    identities = TokenExchangeSource.identity_fields()
    assert set(EXCHANGES) == set(identities) <= set(SOURCES)


_ELSEWHERE: frozenset[str] = frozenset()
"""Kinds without a way to create them."""


def _options(kind: str) -> argparse.Namespace:
    names = ("duration", "rotate_every", "log_group", "log_stream", "existing_user")
    required = ("user", "workspace", "usage_plan", "domain", "domain_owner", "repository")
    given = {**dict.fromkeys(names), **dict.fromkeys(required, "x")}
    return argparse.Namespace(kind=kind, **given)


@pytest.mark.parametrize("source", ["anthropic", "openai", "openrouter", "generic"])
def test_a_vendor_is_called_where_the_operator_calls_it(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host in the comment is that of the token endpoint."""
    text = _create(capsys, "source", "cloud", "-n", "chat", *SOURCES[source])
    url = next(
        (url for each, url in ENDPOINTS.items() if each.field == source),
        "https://sts.example.com/oauth/token",
    )
    assert f"egress to {urlsplit(url).netloc}, port 443" in text
    assert ("--allow-token-endpoint=https://sts.example.com/oauth/token" in text) is (
        source == "generic"
    )


def test_a_parameter_may_contain_an_equals_sign(capsys: pytest.CaptureFixture[str]) -> None:
    """Its name ends at the first one."""
    text = _create(capsys, "source", "cloud", "-n", "chat", *SOURCES["generic"])
    (spec,) = (
        each["spec"] for each in yaml.safe_load_all(text) if each["kind"] == "CredentialSource"
    )
    parameters = spec["tokenExchange"]["generic"]["parameters"]
    assert parameters == {"audience": "ledger-api", "scope": "a=b"}


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


def _grant(kind: str, *options: str) -> list[str]:
    return ["grant", "x", "-n", "chat", "--source=y", f"--kind={kind}", *options]


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
        (["source", "x", "-n", "c", f"--role-arn={ROLE}"], "--region is missing"),
        (_grant("claude-platform"), "--workspace is missing"),
        (_grant("claude-platform-long-term", "--user=x"), "--workspace is missing"),
        (_grant("claude-platform", "--workspace=w"), "spec.claudePlatformShortTermKey.workspaceId"),
        (_grant("cloudwatch"), "--user is missing"),
        (_grant("cloudwatch", "--user=x", "--log-group=/x"), "--log-group has no effect on"),
        (_grant("cloudwatch-logs", "--user=x", "--log-group=/x"), "set logGroup and logStream"),
        (_grant("codeartifact", "--domain=d", "--repository=r"), "--domain-owner is missing"),
        (_grant("model-studio", "--duration=1h"), "--duration has no effect on --kind model"),
        (_grant("model-studio-temporary", "--duration=1h"), "30m"),
        (_grant("bedrock", "--workspace=w"), "--workspace has no effect on --kind bedrock"),
        (_grant("access-token", "--format=BedrockEnv"), "BedrockEnv"),
        (_grant("session", "--existing-user"), "--existing-user has no effect on --kind session"),
        (
            ["source", "x", "-n", "c", *SOURCES["web identity"], "--workspace=w"],
            "--workspace has no effect without --exchange anthropic",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["web identity"], "--federation-rule=x"],
            "--federation-rule has no effect without --exchange",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["openai"], "--region=us-west-2"],
            "--region has no effect beside --exchange openai",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["openai"], "--federation-rule=x"],
            "--federation-rule has no effect beside --exchange openai",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["openai"], f"--assume-role={ROLE}"],
            "--assume-role has no effect beside --exchange openai",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["openai"], "--cloud=alibaba"],
            "--cloud has no effect beside --exchange",
        ),
        (
            ["source", "x", "-n", "c", "--exchange=anthropic"],
            "--federation-rule is missing: --exchange anthropic needs it",
        ),
        (
            ["source", "x", "-n", "c", "--exchange=generic", "--endpoint=https://a.example"],
            "--audience is missing",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["generic"], "--parameter=x"],
            "--parameter x: write it as NAME=VALUE",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["generic"], "--parameter=client_secret=x"],
            "are secrets, and a spec is readable",
        ),
        (
            ["source", "x", "-n", "c", "--region=us-west-2", "--bearer-secret=x"],
            "--bearer-secret has no effect on --cloud aws",
        ),
        (
            ["source", "x", "-n", "c", "--region=us-west-2", "--certificate-secret=x"],
            "--trust-anchor-arn is missing: --certificate-secret needs it",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["roles anywhere"], "--service-account=x"],
            "--service-account has no effect beside --certificate-secret",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["rrsa"], "--certificate-secret=x"],
            "--certificate-secret has no effect on --cloud alibaba",
        ),
        (
            ["source", "x", "-n", "c", *SOURCES["roles anywhere"], "--access-key-secret=x"],
            "has no effect beside --access-key-secret",
        ),
        (["source", "x", "-n", "c", *SOURCES["alibaba bearer"][:2], "--bearer-secret=X"], "X:"),
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
