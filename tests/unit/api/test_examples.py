"""The files that users copy."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.api.alibaba_source import OidcRoleArn
from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.aws_source import WebIdentity
from keywright.api.bedrock_keys import BedrockLongTermKey
from keywright.api.grant_checks import validate_with_source
from keywright.secrets.rendering import data_keys, validate
from tests.unit.api.samples import ROOT, parsed_grant, parsed_source

EXAMPLE = ROOT / "examples" / "bedrock-short-term"
FOLDERS = sorted(file.parent for file in (ROOT / "examples").glob("*/kustomization.yaml"))


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLE / name).read_text(encoding="utf-8")))


def test_the_example_of_a_short_term_key_holds_together() -> None:
    """Grant, source, ServiceAccount, Role, pod and trust policy name each other rightly."""
    account, runs_as = _documents("serviceaccount.yaml")
    role, binding = _documents("token-access.yaml")
    (pod,) = _documents("pod.yaml")
    source = parsed_source(_documents("credentialsource.yaml")[0])
    grant = parsed_grant(_documents("apikeygrant.yaml")[0])
    name = account["metadata"]["name"]
    assert isinstance(source.identity, WebIdentity)
    assert source.identity.service_account_ref.name == name
    assert role["rules"][0]["resourceNames"] == [name]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert pod["spec"]["serviceAccountName"] == runs_as["metadata"]["name"]
    assert grant.source_key == source.object_key
    assert validate(grant) == []
    assert data_keys(grant) >= {"AWS_BEARER_TOKEN_BEDROCK", "OPENAI_API_KEY"}
    assert pod["spec"]["volumes"][0]["secret"]["secretName"] == grant.secret_name
    trust = json.loads((EXAMPLE / "trust-policy.json").read_text(encoding="utf-8"))
    conditions = trust["Statement"][0]["Condition"]["StringEquals"]
    assert set(conditions.values()) == {
        source.identity.audience,
        f"system:serviceaccount:{grant.namespace}:{name}",
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.name))
def test_every_file_of_an_example_is_applied(folder: Path) -> None:
    """`kubectl apply -k` leaves no manifest out."""
    (kustomization,) = yaml.safe_load_all((folder / "kustomization.yaml").read_text())
    files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.name))
def test_the_resources_of_an_example_fit_each_other(folder: Path) -> None:
    """Every grant can be served from its source; ServiceAccounts, Roles and Secrets are there."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in folder.glob("*.yaml"):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            found.setdefault(document["kind"], []).append(document)
    parsed = [parsed_source(_as_stored(body)) for body in found["CredentialSource"]]
    sources = {source.object_key: source for source in parsed}
    grants = [parsed_grant(_as_stored(body)) for body in found["ApiKeyGrant"]]
    namespaces = {
        body["metadata"]["name"]: body["metadata"].get("labels", {}) for body in found["Namespace"]
    }
    for made in grants:
        source = sources[made.source_key]
        grant = made.with_formats_for(source.traits)
        assert (validate(grant), validate_with_source(grant, source=source)) == ([], [])
        assert source.allows(grant.namespace, labels=namespaces[grant.namespace])
    accounts = {body["metadata"]["name"] for body in found.get("ServiceAccount", [])}
    tokens = _named(found, "serviceaccounts/token")
    for source in sources.values():
        exchange = source.spec.token_exchange
        if isinstance(source.identity, WebIdentity | OidcRoleArn):
            assert source.identity.service_account_ref.name in accounts & tokens
        if exchange is not None:
            assert exchange.service_account_ref.name in accounts & tokens
    for workload in found.get("Deployment", []):
        pod = workload["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] in accounts - tokens
        mounted = {v["secret"]["secretName"] for v in pod.get("volumes", []) if "secret" in v}
        taken = {each["secretRef"]["name"] for each in pod["containers"][0].get("envFrom", [])}
        assert mounted | taken <= {grant.secret_name for grant in grants}
    deployments = {body["metadata"]["name"] for body in found.get("Deployment", [])}
    restarted = {target.name for grant in grants for target in grant.spec.rollout.restart}
    assert restarted <= deployments & _named(found, "deployments")


def _named(found: dict[str, list[dict[str, Any]]], resource: str) -> set[str]:
    rules = [rule for role in found.get("Role", []) for rule in role["rules"]]
    return {
        name for rule in rules if resource in rule["resources"] for name in rule["resourceNames"]
    }


def _as_stored(body: dict[str, Any]) -> dict[str, Any]:
    metadata = {"uid": "u", "generation": 1, "resourceVersion": "1", **body["metadata"]}
    return {**body, "metadata": metadata}


LONG_TERM = ROOT / "examples" / "bedrock-long-term"


def test_the_example_of_a_long_term_key_holds_together() -> None:
    """Grant, boundary and the policy of the role agree, and no file is left out."""
    (body,) = yaml.safe_load_all((LONG_TERM / "apikeygrant.yaml").read_text(encoding="utf-8"))
    grant = parsed_grant(body)
    key = grant.key
    assert isinstance(key, BedrockLongTermKey)
    assert validate(grant) == []
    policy = json.loads((LONG_TERM / "permissions-policy.json").read_text(encoding="utf-8"))
    boundaries = {
        statement["Condition"]["StringEquals"].get("iam:PermissionsBoundary")
        for statement in policy["Statement"]
        if "Condition" in statement
    }
    assert boundaries == {key.user.permissions_boundary, None}
    assert all("user/keywright/*" in statement["Resource"] for statement in policy["Statement"])
    kustomization = yaml.safe_load((LONG_TERM / "kustomization.yaml").read_text(encoding="utf-8"))
    files = {path.name for path in LONG_TERM.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files


GATEWAY = ROOT / "examples" / "api-gateway-for-a-partner"


def test_the_example_of_a_gateway_key_holds_together() -> None:
    """Grant, source and the policy of the role agree about the region and what may be touched."""
    (body,) = yaml.safe_load_all((GATEWAY / "apikeygrant.yaml").read_text(encoding="utf-8"))
    (named,) = yaml.safe_load_all((GATEWAY / "credentialsource.yaml").read_text(encoding="utf-8"))
    grant, source = parsed_grant(body), parsed_source(_as_stored(named))
    assert isinstance(grant.key, ApiGatewayKey)
    assert validate(grant) == []
    policy = json.loads((GATEWAY / "permissions-policy.json").read_text(encoding="utf-8"))
    resources: set[str] = set()
    for statement in policy["Statement"]:
        named_here = statement["Resource"]
        resources |= {named_here} if isinstance(named_here, str) else set(named_here)
    start = f"arn:aws:apigateway:{source.region}::/"
    kinds = {resource.removeprefix(start).partition("/")[0] for resource in resources}
    assert kinds == {"apikeys", "usageplans", "tags"}
