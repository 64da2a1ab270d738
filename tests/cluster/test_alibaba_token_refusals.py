"""Tokens and hops that Alibaba Cloud refuses: reported with claims, field and policy to paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.alibaba import PROVIDER, AlibabaTenant, trusts
from tests.cluster.alibaba_scene import ROOT, pasted, reported


@dataclass(frozen=True)
class Token:
    """A token that STS does not take, by one thing in the source or in RAM."""

    reason: str
    field: str
    says: str
    change: dict[str, Any]
    issuer: str | None = None


@pytest.mark.parametrize(
    "token",
    [
        Token(
            "AuthenticationFailOIDCTokenAudienceNotMatch",
            "oidcRoleArn.serviceAccountRef.audiences",
            "or add elsewhere to the client ids",
            {"serviceAccountRef": {"name": "chat-bedrock", "audiences": ["elsewhere"]}},
        ),
        Token(
            "AuthenticationFailOIDCTokenIssuerNotMatch",
            "oidcRoleArn.oidcProviderArn",
            "on ACK, turn RRSA on for the cluster",
            {},
            issuer="https://oidc.example.com/another",
        ),
        Token(
            "AuthenticationFailNoPermission",
            "oidcRoleArn.oidcProviderArn",
            "in RAM if it is missing",
            {"oidcProviderArn": PROVIDER.replace("ack-rrsa", "gone")},
        ),
        Token(
            "AuthenticationFailNoPermission",
            "oidcRoleArn.oidcProviderArn",
            '"oidc:sub": "system:serviceaccount:',
            {"serviceAccountRef": {"name": "other"}},
        ),
        Token(
            "EntityNotExistRole",
            "oidcRoleArn.roleArn",
            "First check the spelling of the role in roleArn.",
            {"roleArn": "acs:ram::1234567890123456:role/gone"},
        ),
        Token(
            "InvalidParameterDurationSeconds",
            "oidcRoleArn.roleSessionExpiration",
            "the role's maximum session duration",
            {"roleSessionExpiration": "2h"},
        ),
        Token(
            "InvalidParameterPolicyGrammar",
            "oidcRoleArn.policy",
            "RAM's grammar, Version 1",
            {"policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}},
        ),
    ],
    ids=lambda token: f"{token.reason}-{token.field}",
)
def test_a_token_that_is_refused_is_told_by_its_claims(
    alibaba_tenant: AlibabaTenant, token: Token
) -> None:
    """Issuer, audience and subject, the field that is wrong, and what to do; never the token."""
    _second_account(alibaba_tenant)
    identity = alibaba_tenant.by_token(alibaba_tenant.create_role())
    if token.issuer is not None:
        cloud = alibaba_tenant.world.alibaba
        identity["oidcProviderArn"] = cloud.create_identity_provider(
            issuer=token.issuer, client_ids=["sts.aliyuncs.com"], name=alibaba_tenant.namespace
        )
    message = reported(
        alibaba_tenant, {"oidcRoleArn": {**identity, **token.change}}, reason=token.reason
    )
    assert message.startswith(f"{ROOT}.{token.field}: ")
    assert token.says in message
    assert f"iss={alibaba_tenant.world.cluster.issuer}" in message
    assert f"sub=system:serviceaccount:{alibaba_tenant.namespace}:" in message
    assert "eyJ" not in message


def test_the_trust_policy_that_is_told_heals(alibaba_tenant: AlibabaTenant) -> None:
    """Pasted into RAM as it stands, it lets the token through."""
    role = alibaba_tenant.create_role(
        trusts({"Federated": [PROVIDER]}, StringEquals={"oidc:sub": "x"})
    )
    message = reported(
        alibaba_tenant,
        {"oidcRoleArn": alibaba_tenant.by_token(role)},
        reason="AuthenticationFailNoPermission",
    )
    alibaba_tenant.world.alibaba.put_trust_policy(role, trust_policy=pasted(message))
    alibaba_tenant.ready(name="credentials", seconds=60)


def _second_account(tenant: AlibabaTenant) -> None:
    """A ServiceAccount that no role trusts, whose tokens may be asked for."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "other", "namespace": tenant.namespace},
    }
    tenant.apply(account)
    path = (
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant.namespace}/roles/"
        "keywright-token-chat-bedrock"
    )
    found = tenant.world.api.get(path)
    names = [*found["rules"][0]["resourceNames"], "other"]
    rules = [{**rule, "resourceNames": names} for rule in found["rules"]]
    tenant.patch(path, {"rules": rules})


def test_a_refused_hop_tells_the_policies_that_let_it_through(
    alibaba_tenant: AlibabaTenant,
) -> None:
    """The hop is named; the policies contain caller, role and external ID."""
    first = alibaba_tenant.create_role()
    second = alibaba_tenant.create_role(trusts({"RAM": ["acs:ram::1:root"]}), suffix="-second")
    hop = {"roleArn": second, "externalId": "partner-7"}
    spec = {"oidcRoleArn": alibaba_tenant.by_token(first), "assumeRoles": [hop]}
    message = reported(alibaba_tenant, spec, reason="NoPermission")
    assert message.startswith(f"{ROOT}.assumeRoles[0].roleArn: ")
    trust = pasted(message[message.index("this trust policy") :])
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"RAM": [first]}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "partner-7"}}
    alibaba_tenant.world.alibaba.put_trust_policy(second, trust_policy=trust)
    alibaba_tenant.ready(name="credentials", seconds=60)


def test_the_account_itself_assumes_no_role(alibaba_tenant: AlibabaTenant) -> None:
    """NoPermission, in the words of the cloud."""
    root = alibaba_tenant.world.alibaba.create_root_key()
    alibaba_tenant.create_secret(
        name="cloud-key",
        ALIBABA_CLOUD_ACCESS_KEY_ID=root.access_key_id,
        ALIBABA_CLOUD_ACCESS_KEY_SECRET=root.secret_key,
    )
    role = {"secretRef": {"name": "cloud-key"}, "roleArn": alibaba_tenant.create_role()}
    message = reported(alibaba_tenant, {"ramRoleArn": role}, reason="NoPermission")
    assert "Roles may not be assumed by root accounts" in message
