"""The command `keywright explain`: the policies of the examples, in each form."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from keywright.cli.exit_codes import ExitCode
from keywright.cli.inventory import Inventory
from keywright.cli.kustomizations import place
from keywright.cli.main import main
from keywright.cli.manifest_reader import read_paths
from keywright.cli.policies.holders import CloudFacts, Holders, holders_of
from keywright.cli.policies.outputs import OUTPUTS
from testbed.world import EXAMPLES

CASES = Path(__file__).parent / "lint_cases"
AWS_ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
ALIBABA_ISSUER = "https://oidc-ack-cn-hangzhou.example.com/c1"
ACCOUNT = "123456789012"

# Whose documents are whose. Permissions that only the application of an example uses are not in
# the manifests; neither is the role in the profile of alibaba-cli-profile.
POLICIES = {
    "access-key/permissions": ("user/legacy", "permissions"),
    "alibaba-ram-role/trust": ("role/terraform", "trust"),
    "alibaba-ram-role/user": ("user/terraform", "permissions"),
    "alibaba-model-studio-temporary/permissions": ("role/voice-model-studio", "permissions"),
    "alibaba-model-studio-temporary/trust": ("role/voice-model-studio", "trust"),
    "alibaba-model-studio/permissions": ("role/assistant-model-studio", "permissions"),
    "alibaba-model-studio/trust": ("role/assistant-model-studio", "trust"),
    "alibaba-rrsa/trust": ("role/inventory", "trust"),
    "api-gateway-for-a-partner/permissions": ("role/orders-key-maker", "permissions"),
    "api-gateway-for-a-partner/trust": ("role/orders-key-maker", "trust"),
    "bedrock-allowed-models/permissions": ("role/summaries-bedrock", "permissions"),
    "bedrock-allowed-models/trust": ("role/summaries-bedrock", "trust"),
    "api-gateway-from-a-file/permissions": ("role/marketplace-key-maker", "permissions"),
    "api-gateway-from-a-file/trust": ("role/marketplace-key-maker", "trust"),
    "bedrock-long-term/boundary": ("policy/keywright-bedrock", "permissions"),
    "bedrock-long-term/permissions": ("role/bedrock-key-maker", "permissions"),
    "bedrock-long-term/trust": ("role/bedrock-key-maker", "trust"),
    "bedrock-short-term/permissions": ("role/bedrock-invoker", "permissions"),
    "bedrock-short-term/trust": ("role/bedrock-invoker", "trust"),
    "chained-roles/hub-permissions": ("role/partner-hub", "permissions"),
    "chained-roles/hub-trust": ("role/partner-hub", "trust"),
    "chained-roles/partner-trust": ("role/partner", "trust"),
    "claude-platform-long-term/boundary": ("policy/keywright-claude", "permissions"),
    "claude-platform-long-term/permissions": ("role/claude-key-maker", "permissions"),
    "claude-platform-long-term/trust": ("role/claude-key-maker", "trust"),
    "claude-platform-short-term/permissions": ("role/writer-claude", "permissions"),
    "claude-platform-short-term/trust": ("role/writer-claude", "trust"),
    "codeartifact/permissions": ("role/builder-packages", "permissions"),
    "codeartifact/trust": ("role/builder-packages", "trust"),
    "ecr-pull-secret/permissions": ("role/shop-registry", "permissions"),
    "ecr-pull-secret/trust": ("role/shop-registry", "trust"),
    "llm-app/permissions": ("role/assistant-bedrock", "permissions"),
    "llm-app/trust": ("role/assistant-bedrock", "trust"),
    "operator-identity-aws/permissions": ("user/legacy", "permissions"),
    "restart-on-renewal/permissions": ("role/concierge", "permissions"),
    "restart-on-renewal/trust": ("role/concierge", "trust"),
    "roles-anywhere/permissions": ("role/edge-bedrock", "permissions"),
    "roles-anywhere/trust": ("role/edge-bedrock", "trust"),
    "shared-source/permissions": ("role/shared-bedrock", "permissions"),
    "shared-source/trust": ("role/shared-bedrock", "trust"),
    "sts-for-an-sdk/permissions": ("role/reports", "permissions"),
    "sts-for-an-sdk/trust": ("role/reports", "trust"),
    "telemetry-keys/boundary": ("policy/keywright-telemetry", "permissions"),
    "telemetry-keys/permissions": ("role/telemetry-key-maker", "permissions"),
    "telemetry-keys/trust": ("role/telemetry-key-maker", "trust"),
}
OF_THE_APPLICATION = {
    "alibaba-cli-profile/permissions",
    "alibaba-cli-profile/trust",
    "alibaba-cli-profile/user",
    "alibaba-ram-role/permissions",
    "alibaba-rrsa/permissions",
    "chained-roles/partner-permissions",
}
# The role allows more than the session policy of the grant, for other grants of the application.
ALSO = {"sts-for-an-sdk/permissions": ["InvokeModels"]}


def explained(folder: Path) -> Holders:
    """The holders of an example, with what its manifests do not say."""
    alibaba = folder.name.startswith("alibaba")
    facts = CloudFacts(issuer=ALIBABA_ISSUER, user="terraform")
    if not alibaba:
        facts = CloudFacts(issuer=AWS_ISSUER, account=ACCOUNT, user="legacy")
    return holders_of(Inventory(tuple(place(read_paths([str(folder)])))), facts)


def _normal(document: Any, *, without: tuple[str, ...] = ()) -> Iterator[Any]:
    """The statements without names; one item and a list of one item are the same."""
    for statement in document["Statement"]:
        if statement.get("Sid") not in without:
            yield {
                name: [value] if name == "Action" and isinstance(value, str) else value
                for name, value in statement.items()
                if name != "Sid"
            }


def _policy_files() -> dict[str, Path]:
    return {
        f"{file.parent.name}/{file.name.removesuffix('-policy.json')}": file
        for file in sorted(EXAMPLES.glob("*/*-policy.json"))
    }


def test_every_policy_of_the_examples_is_compared() -> None:
    """A new example must say whether its policies can be explained."""
    assert set(_policy_files()) == {*POLICIES, *OF_THE_APPLICATION}


@pytest.mark.parametrize("name", POLICIES)
def test_the_policies_are_those_of_the_examples(name: str) -> None:
    """Statement by statement; the version of the language too."""
    file = _policy_files()[name]
    resource, part = POLICIES[name]
    holders = explained(file.parent).found
    (holder,) = (each for arn, each in holders.items() if arn.endswith(f":{resource}"))
    wanted = json.loads(file.read_text())
    assert holder.documents[part]["Version"] == wanted["Version"]
    found = list(_normal(holder.documents[part]))
    assert found == list(_normal(wanted, without=tuple(ALSO.get(name, ()))))


@pytest.mark.parametrize("folder", sorted({file.parent for file in _policy_files().values()}))
def test_terraform_is_hcl_with_the_same_documents(folder: Path) -> None:
    """Parsed by a parser of its grammar."""
    holders = explained(folder)
    parsed = hcl2.loads(OUTPUTS["terraform"](holders))
    documents = [
        document for each in holders.found.values() for document in each.documents.values()
    ]
    shown = [
        value
        for block in parsed.get("resource", [])
        for kind, labelled in block.items()
        for fields in labelled.values()
        for value in fields.values()
        if isinstance(value, str) and "jsonencode(" in value and kind
    ]
    assert len(shown) == len(documents)
    for document in documents:
        for statement in document["Statement"]:
            actions = statement["Action"]
            for action in actions if isinstance(actions, list) else [actions]:
                assert any(action in text for text in shown)


def test_values_of_terraform_cannot_become_expressions() -> None:
    """A policy variable such as ${aws:username} stays text."""
    text = OUTPUTS["terraform"](_with_session_policy("${aws:username}-%{if}"))
    assert '"arn:aws:s3:::$${aws:username}-%%{if}"' in text
    assert hcl2.loads(text)


def _with_session_policy(name: str) -> Holders:
    holders = explained(EXAMPLES / "sts-for-an-sdk")
    (role,) = holders.found.values()
    role.permissions[0]["Resource"] = f"arn:aws:s3:::{name}"
    return holders


def test_cloudformation_has_each_role_and_boundary() -> None:
    """With its documents, path and session duration."""
    template = json.loads(OUTPUTS["cloudformation"](explained(EXAMPLES / "bedrock-long-term")))
    role = template["Resources"]["BedrockKeyMakerRole"]["Properties"]
    assert (role["RoleName"], role["Path"], role["MaxSessionDuration"]) == (
        "bedrock-key-maker",
        "/",
        3600,
    )
    assert role["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"][0] == "iam:GetUser"
    boundary = template["Resources"]["KeywrightBedrockBoundary"]
    assert boundary["Type"] == "AWS::IAM::ManagedPolicy"


def test_ros_has_the_roles_of_alibaba_cloud() -> None:
    """And nothing of AWS."""
    template = json.loads(OUTPUTS["ros"](explained(EXAMPLES / "alibaba-ram-role")))
    assert {each["Type"] for each in template["Resources"].values()} == {
        "ALIYUN::RAM::Role",
        "ALIYUN::RAM::ManagedPolicy",
    }
    assert json.loads(OUTPUTS["ros"](explained(EXAMPLES / "access-key")))["Resources"] == {}


def test_commands_of_the_aws_cli_can_be_pasted() -> None:
    """Each line is one command, with the documents as arguments."""
    text = OUTPUTS["aws-cli"](explained(EXAMPLES / "chained-roles"))
    commands = [shlex.split(line) for line in text.splitlines() if not line.startswith("#")]
    assert [command[2] for command in commands] == ["create-role", "put-role-policy", "create-role"]
    for command in commands:
        assert json.loads(command[-1])["Statement"]


def test_placeholders_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --issuer, the trust policy names what to put there."""
    example = str(EXAMPLES / "bedrock-short-term")
    assert main(["explain", "-f", example]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "OIDC-ISSUER:sub" in out
    assert "kubectl get --raw /.well-known/openid-configuration" in out
    main(["explain", "-f", example, "--issuer", "https://oidc.example.com/c1"])
    out = capsys.readouterr().out
    assert "oidc.example.com/c1:sub" in out
    assert "OIDC-ISSUER" not in out


def test_a_grant_without_its_source_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The output would lack its permissions; the exit code is 1."""
    case = CASES / "api-key-without-rotation.yaml"
    assert main(["explain", "-f", str(case), "--as", "terraform"]) == ExitCode.FINDINGS
    error = capsys.readouterr().err
    assert re.search(r"api-key-without-rotation\.yaml:8:3: the source of .*chat-key", error)


def test_existing_users_and_plans_need_less(tmp_path: Path) -> None:
    """No user is created or changed, and no plan."""
    grants = [
        {"bedrockLongTermKey": {"user": {"name": "bot", "create": False}, "rotateEvery": "7d"}},
        {"apiGatewayKey": {"usagePlan": {"id": "abc123"}, "rotateEvery": "7d"}},
    ]
    (tmp_path / "base.yaml").write_text((CASES / "_base.yaml").read_text())
    for number, spec in enumerate(grants):
        body = {
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "ApiKeyGrant",
            "metadata": {"name": f"grant-{number}", "namespace": "chat"},
            "spec": {"sourceRef": {"name": "bedrock"}, **spec},
        }
        (tmp_path / f"{number}.json").write_text(json.dumps(body))
    holders = explained(tmp_path).found
    (role,) = (each for arn, each in holders.items() if arn.endswith("role/chat"))
    actions = {action for each in role.permissions for action in each["Action"]}
    assert not {action for action in actions if re.search("User$|Policy$|TagUser", action)} - {
        "iam:GetUser"
    }
    made = [each["Resource"] for each in role.permissions if "apigateway:POST" in each["Action"]]
    listed = [each for found in made for each in ([found] if isinstance(found, str) else found)]
    assert [each for each in listed if each.endswith("::/usageplans")] == []
    assert [each for each in listed if each.endswith("::/apikeys")] != []


def test_what_no_policy_expresses_is_a_note() -> None:
    """A log group must accept API keys, and the account needs features of the services."""
    notes = [
        note
        for each in explained(EXAMPLES / "telemetry-keys").found.values()
        for note in each.notes
    ]
    text = "\n".join(notes)
    assert (
        "ApiKeyGrant observability/logs-key: let the log group accept API keys, which it refuses"
        " before: aws logs put-bearer-token-authentication --log-group-identifier"
        " /apps/observability --bearer-token-authentication-enabled"
    ) in text
    assert "observability/traces-key: the endpoint for traces needs Transaction Search" in text
    (claude,) = (
        each.notes
        for arn, each in explained(EXAMPLES / "claude-platform-long-term").found.items()
        if arn.endswith("role/claude-key-maker")
    )
    assert "enable outbound web identity federation in the account" in "".join(claude)


def test_the_boundary_of_a_shared_user_has_what_each_grant_needs() -> None:
    """Also that of grants which use the user of another grant."""
    (limit,) = (
        each
        for arn, each in explained(EXAMPLES / "telemetry-keys").found.items()
        if arn.endswith("policy/keywright-telemetry")
    )
    allowed = {action for each in limit.permissions for action in each["Action"]}
    assert allowed == {
        *("cloudwatch:CallWithBearerToken", "cloudwatch:PutMetricData"),
        *("logs:CallWithBearerToken", "logs:PutLogEvents"),
        *("xray:CallWithBearerToken", "xray:PutTraceSegments"),
    }


def test_the_trust_of_a_vendor_is_explained() -> None:
    """Instead of a policy: where, and which issuer, subject and audience; also as a comment."""
    for vendor, where in {
        "anthropic": "Claude Console, Workload identity",
        "openai": "OpenAI Platform, Workload identity providers",
        "openrouter": "OpenRouter, Settings, Workload identity",
        "generic": "https://sts.example.com/oauth/token",
    }.items():
        holders = explained(EXAMPLES / f"token-exchange-{vendor}")
        assert holders.found == {}
        (trust,) = json.loads(OUTPUTS["json"](holders))["vendors"]
        assert trust["where"] == where
        (grant,) = trust["grants"]
        assert grant.startswith("ApiKeyGrant ")
        text = json.dumps(trust)
        assert AWS_ISSUER in text
        assert '"system:serviceaccount:' in text
        for form in ("terraform", "aws-cli"):
            lines = OUTPUTS[form](holders).splitlines()
            assert all(line.startswith("#") for line in lines if line)
            assert any(where in line for line in lines)


def test_the_rule_of_anthropic_fits_its_source() -> None:
    """The issuer allows the lifetime of the token, and the rule asks for no more than it can."""
    (trust,) = json.loads(OUTPUTS["json"](explained(EXAMPLES / "token-exchange-anthropic")))[
        "vendors"
    ]
    assert trust["issuer"] == {"issuer_url": AWS_ISSUER, "max_jwt_lifetime_seconds": 3600}
    assert trust["rule"] == {
        "id": "fdrl_01AbCdEf23GhIjKl",
        "match": {
            "subject_prefix": "system:serviceaccount:editor:editor-claude",
            "audience": "https://api.anthropic.com",
        },
        "target": {"service_account_id": "svac_01AbCdEf23GhIjKl"},
        "oauth_scope": "workspace:inference",
        "workspace_id": "wrkspc_01AbCdEf23GhIj",
        "token_lifetime_seconds": 7200,
    }


def _anywhere(folder: Path, **aws: Any) -> Holders:
    """The holders of a source with a certificate and these other fields of `aws`."""
    identity = {
        "trustAnchorArn": f"arn:aws:rolesanywhere:us-west-2:{ACCOUNT}:trust-anchor/{_ID}",
        "profileArn": f"arn:aws:rolesanywhere:us-west-2:{ACCOUNT}:profile/{_ID}",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/edge",
        "secretRef": {"name": "client"},
        "sessionDuration": "2h",
    }
    body = {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "CredentialSource",
        "metadata": {"name": "edge", "namespace": "edge"},
        "spec": {"aws": {"region": "us-west-2", "rolesAnywhere": identity, **aws}},
    }
    (folder / "source.json").write_text(json.dumps(body))
    return explained(folder)


_ID = "01234567-89ab-cdef-0123-456789abcdef"


def test_the_role_of_a_certificate_trusts_its_subject_and_anchor(tmp_path: Path) -> None:
    """The subject is a placeholder, unless a Certificate of cert-manager names it."""
    (role,) = _anywhere(tmp_path).found.values()
    (statement,) = role.trust
    assert statement["Condition"]["StringEquals"] == {
        "aws:PrincipalTag/x509Subject/CN": "COMMON-NAME"
    }
    assert "COMMON-NAME is the common name of the certificate in Secret client" in role.notes
    assert role.max_session_seconds == 7200
    assert any("must list this role" in note for note in role.notes)


def test_later_roles_accept_the_source_identity_of_a_certificate(tmp_path: Path) -> None:
    """Both policies: of the role before, and the trust policy."""
    hops = [{"roleArn": f"arn:aws:iam::210987654321:role/{name}"} for name in ("near", "far")]
    near, far = list(_anywhere(tmp_path, assumeRoles=hops).found.values())[1:]
    actions = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    for holder in (near, far):
        assert holder.trust[0]["Action"] == actions
    assert near.permissions[0]["Action"] == actions


def test_later_roles_accept_what_an_earlier_one_passes_on(tmp_path: Path) -> None:
    """Transitive tags and a source identity; other tags end with their session."""
    hops = [
        {
            "roleArn": "arn:aws:iam::210987654321:role/near",
            "sessionTags": {"team": "a", "tier": "b"},
            "transitiveTagKeys": ["team"],
            "sourceIdentity": "edge",
        },
        {"roleArn": "arn:aws:iam::210987654321:role/far"},
    ]
    body = {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "CredentialSource",
        "metadata": {"name": "edge", "namespace": "edge"},
        "spec": {"aws": {"region": "us-west-2", "ambient": {}, "assumeRoles": hops}},
    }
    (tmp_path / "source.json").write_text(json.dumps(body))
    *_, far = explained(tmp_path).found.values()
    assert far.trust[0]["Action"] == ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    assert "Condition" not in far.trust[0]
