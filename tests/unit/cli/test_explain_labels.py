"""The policies of `keywright explain` have unique names, and exact resources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from keywright.api.source import Provider
from keywright.cli.policies.holders import CloudFacts, Holders
from keywright.cli.policies.model import Holder, HolderKind
from keywright.cli.policies.outputs import OUTPUTS
from tests.unit.cli.test_explain import ACCOUNT, explained


def _explained_text(tmp_path: Path, *texts: str) -> Holders:
    (tmp_path / "all.yaml").write_text("---\n".join(texts))
    return explained(tmp_path)


def _object(kind: str, name: str, spec: str) -> str:
    metadata = f"{{name: {name}, namespace: b}}"
    head = f"apiVersion: keywright.dev/v1alpha1\nkind: {kind}\nmetadata: {metadata}\n"
    return f"{head}spec: {spec}\n"


def _source(name: str, *, region: str = "us-west-2", hop: str = "") -> str:
    role = "arn:aws:iam::123456789012:role/r"
    web = f'webIdentity: {{serviceAccountRef: {{name: s}}, roleArn: "{role}"}}'
    hops = f', assumeRoles: [{{roleArn: "{hop}"}}]' if hop else ""
    return _object("CredentialSource", name, f"{{aws: {{region: {region}, {web}{hops}}}}}")


def _sids(holder: Holder) -> list[str]:
    sids = [each["Sid"] for each in holder.permissions]
    assert len(set(sids)) == len(sids)
    return sids


def test_the_sids_of_one_policy_are_unique(tmp_path: Path) -> None:
    """IAM refuses a policy with a repeated Sid; equal statements are one."""
    session = (
        '{sourceRef: {name: s1}, sessionCredentials: {duration: 1h, policy: {Version: "2012-10-17",'
        ' Statement: [{Effect: Allow, Action: "s3:ACTION", Resource: "*"}]}}}'
    )
    plan = "{sourceRef: {name: SOURCE}, apiGatewayKey: {usagePlan: {id: abc}, rotateEvery: 7d}}"
    holders = _explained_text(
        tmp_path,
        _source("s1"),
        _source("s2", region="us-east-1"),
        _source("h1", hop="arn:aws:iam::210987654321:role/hub"),
        _source("h2", hop="arn:aws:iam::333333333333:role/hub"),
        _object("ApiKeyGrant", "a", session.replace("ACTION", "GetObject")),
        _object("ApiKeyGrant", "b", session.replace("ACTION", "PutObject")),
        _object("ApiKeyGrant", "c", session.replace("s3:ACTION", "s3:GetObject")),
        _object("ApiKeyGrant", "d", plan.replace("SOURCE", "s1")),
        _object("ApiKeyGrant", "e", plan.replace("SOURCE", "s2")),
    )
    sids = _sids(holders.found["arn:aws:iam::123456789012:role/r"])
    assert [each for each in sids if each.startswith("Session")] == ["Session", "Session2"]
    assert {"AssumeHub", "AssumeHub2", "ReadKeysAndPlans", "ReadKeysAndPlans2"} <= {*sids}


def test_a_role_may_limit_its_session_only_if_a_grant_needs_it(tmp_path: Path) -> None:
    """`scopedSession` is one more call of STS, made with the session itself."""
    spec = "{sourceRef: {name: s1}, bedrockShortTermKey: {allowedModels: [amazon.*]SCOPED}}"
    found = {}
    for scoped in ("", ", scopedSession: true"):
        grant = _object("ApiKeyGrant", "a", spec.replace("SCOPED", scoped))
        (role,) = _explained_text(tmp_path, _source("s1"), grant).found.values()
        actions = {action for each in role.permissions for action in each["Action"]}
        found[scoped] = "sts:GetScopedCredentials" in actions
    assert list(found.values()) == [False, True]


def test_an_existing_user_is_named_exactly(tmp_path: Path) -> None:
    """In any path, but not prod-app for app."""
    user = "{sourceRef: {name: s1}, bedrockLongTermKey: {user: {name: app, create: false}"
    grant = _object("ApiKeyGrant", "a", f"{user}, rotateEvery: 7d}}}}")
    holders = _explained_text(tmp_path, _source("s1"), grant)
    (role,) = holders.found.values()
    arns = {arn for each in role.permissions for arn in each["Resource"]}
    prefix = f"arn:aws:iam::{ACCOUNT}:user"
    assert arns == {f"{prefix}/app", f"{prefix}/*/app"}


@pytest.mark.parametrize("cloud", ["aws", "alibaba"])
def test_a_missing_namespace_is_a_placeholder(cloud: str, tmp_path: Path) -> None:
    """Helm or Flux sets it; `None` would never match a token."""
    text = _source("s1")
    if cloud == "alibaba":
        provider = "acs:ram::1234567890123456:oidc-provider/ack-rrsa"
        oidc = f'{{serviceAccountRef: {{name: s}}, oidcProviderArn: "{provider}"}}'
        spec = f"{{alibabaCloud: {{regionId: cn-hangzhou, oidcRoleArn: {oidc}}}}}"
        text = _object("CredentialSource", "s1", spec)
    holders = _explained_text(tmp_path, text.replace(", namespace: b", ""))
    (role,) = holders.found.values()
    assert "system:serviceaccount:NAMESPACE:s" in json.dumps(role.trust)
    assert "NAMESPACE is the namespace of CredentialSource s1" in role.notes


@pytest.mark.parametrize("form", ["terraform", "cloudformation", "ros"])
def test_roles_of_equal_names_do_not_overwrite_each_other(form: str) -> None:
    """In several accounts, or with names that differ in their separators only."""
    provider = Provider.ALIBABA_CLOUD if form == "ros" else Provider.AWS
    prefix = "acs:ram" if form == "ros" else "arn:aws:iam"
    holders = Holders(CloudFacts())
    for name in ("1:role/r", "2:role/r", "1:role/a-b", "1:role/a_b", "1:role/r_2"):
        account, _, resource = name.partition(":")
        role = holders.get(provider, HolderKind.ROLE, f"{prefix}::{account * 12}:{resource}")
        role.trust.append({"Effect": "Allow"})
        role.allow([{"Effect": "Allow", "Action": ["x:Y"], "Resource": "*"}])
    text = OUTPUTS[form](holders)
    assert "111111111111, 222222222222" in text
    if form == "terraform":
        labels = re.findall(r'^resource ("[a-z_]+" "\w+")', text, re.MULTILINE)
        assert len(labels) == len(set(labels)) == 10
        assert '"aws_iam_role" "r_222222222222"' in labels
    else:
        kinds = [each["Type"] for each in json.loads(text)["Resources"].values()]
        assert len([each for each in kinds if each.endswith("::Role")]) == 5
