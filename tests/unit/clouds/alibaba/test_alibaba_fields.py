"""Fields of a source of Alibaba Cloud, each seen in what is asked of STS or read for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from keywright.clouds.alibaba.identities.roles import assume_chained_role
from keywright.clouds.interfaces import DEFAULT_OPTIONS
from tests.unit.clouds.alibaba.contexts import KEY, PROVIDER, ROLE, Scripted, alibaba, opened
from tests.unit.clouds.alibaba.test_alibaba_identities import COMPACT, HELD, POLICY

_PEM = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


@pytest.mark.parametrize(
    ("identity", "action", "expected"),
    [
        (
            {
                "oidcRoleArn": {
                    "serviceAccountRef": {"name": "chat", "audiences": ["other.example.com"]},
                    "oidcProviderArn": PROVIDER,
                    "roleArn": ROLE,
                    "roleSessionName": "me",
                    "roleSessionExpiration": "30m",
                    "policy": POLICY,
                }
            },
            "AssumeRoleWithOIDC",
            {"RoleSessionName": "me", "DurationSeconds": "1800", "Policy": COMPACT},
        ),
        (
            {
                "rsaKeyPair": {
                    "publicKeyId": "PK",
                    "privateKeySecretRef": {"name": "rsa", "key": "private.pem"},
                    "sessionExpiration": "20m",
                }
            },
            "GenerateSessionAccessKey",
            {"DurationSeconds": "1200"},
        ),
    ],
)
async def test_a_session_is_asked_for_as_its_fields_say(
    identity: dict[str, Any], action: str, expected: dict[str, str]
) -> None:
    """Name, life, policy and external id of the source arrive at STS, whichever way it is."""
    scripted = Scripted(secrets={"key": KEY, "rsa": {"private.pem": _PEM.decode()}})
    await opened(scripted, **identity)
    found = next(requested for name, requested, _, _ in scripted.sts.requested if name == action)
    assert {name: found[name] for name in expected} == expected
    if action == "AssumeRoleWithOIDC":
        assert scripted.tokens.requested == [("chat", "chat", "other.example.com")]


async def test_a_profile_is_read_from_the_file_that_is_named() -> None:
    """`key`, `format` and `name` of `profile` choose file, reading and section."""
    files = {
        "wanted.ini": "[default]\nenable = true\n"
        "[ours]\nenable = true\ntype = access_key\naccess_key_id = LTAI7\naccess_key_secret = s\n"
    }
    scripted = Scripted(secrets={"files": files})
    wanted = {"key": "wanted.ini", "format": "CredentialsFile", "name": "ours"}
    found = await opened(scripted, profile={"secretRef": {"name": "files"}, **wanted})
    assert found.access_key_id == "LTAI7"


async def test_a_hop_is_asked_for_as_its_fields_say() -> None:
    """Role, name, life, policy and external id of a hop of `assumeRoles` arrive at STS."""
    scripted = Scripted()
    hop = {"roleArn": ROLE, "roleSessionName": "hop", "roleSessionExpiration": "15m"}
    source = alibaba(
        accessKey={"secretRef": {"name": "key"}},
        assumeRoles=[{**hop, "policy": POLICY, "externalId": "x:1"}],
    )
    await assume_chained_role(
        0, by=HELD, source=source, ask=DEFAULT_OPTIONS, context=scripted.context
    )
    ((action, requested, _, _),) = scripted.sts.requested
    assert action == "AssumeRole"
    assert requested == {
        "RoleArn": ROLE,
        "RoleSessionName": "hop",
        "DurationSeconds": "900",
        "Policy": COMPACT,
        "ExternalId": "x:1",
    }


async def test_the_token_of_a_profile_is_of_its_service_account() -> None:
    """A profile that reads a token file is given one of `serviceAccountRef`, for its audience."""
    file = {
        "mode": "OIDC",
        "name": "p",
        "oidc_provider_arn": PROVIDER,
        "oidc_token_file": "/var/run/token",
        "ram_role_arn": ROLE,
    }
    config = json.dumps({"current": "p", "profiles": [file]})
    scripted = Scripted(secrets={"files": {"config.json": config}})
    account = {"name": "chat", "audiences": ["other.example.com"]}
    await opened(scripted, profile={"secretRef": {"name": "files"}, "serviceAccountRef": account})
    assert scripted.tokens.requested == [("chat", "chat", "other.example.com")]
