"""What mints a new key, and what does not."""

from typing import Any

import pytest

from keywright.secrets.fingerprint import key_identity
from tests.unit.api.samples import grant, source

POLICY = {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
ROLE = "arn:aws:iam::123456789012:role/bedrock-invoker"
REFERENCE = {"name": "chat-bedrock"}
HOP = {"roleArn": "arn:aws:iam::123456789012:role/a"}


@pytest.mark.parametrize(
    "spec",
    [
        {"bedrockShortTermKey": {"duration": "12h"}},
        {"bedrockShortTermKey": {"duration": "720m"}},
        {"bedrockShortTermKey": {"region": "us-west-2"}},
        {"bedrockShortTermKey": {"endpoint": "Mantle"}},
        {"secret": {"name": "other", "formats": ["ApiKey"], "data": {"a": "${apiKey}"}}},
        {"renewal": {"before": "50%"}},
        {"probe": {"mode": "Bedrock"}},
        {"rollout": {"restart": [{"kind": "Deployment", "name": "chat"}]}},
        {"deletionPolicy": "Retain"},
        {"suspend": True},
        {"sourceRef": {"name": "renamed"}},
    ],
)
def test_a_key_survives_what_does_not_change_it(spec: dict[str, Any]) -> None:
    """Layout, renewal, probe, rollout and spelling never cost a new key."""
    assert key_identity(grant(**spec), source=source()) == key_identity(grant(), source=source())


@pytest.mark.parametrize(
    "spec",
    [
        {"bedrockShortTermKey": {"duration": "1h"}},
        {"bedrockShortTermKey": {"region": "eu-west-1"}},
        {"bedrockShortTermKey": None, "sessionCredentials": {}},
        {"bedrockShortTermKey": None, "bearerToken": {}},
    ],
)
def test_a_key_that_is_another_is_minted(spec: dict[str, Any]) -> None:
    """Kind, region and duration make the key."""
    assert key_identity(grant(**spec), source=source()) != key_identity(grant(), source=source())


@pytest.mark.parametrize(
    "aws",
    [
        {"stsEndpoint": "https://sts.example.com"},
        {
            "webIdentity": {
                "serviceAccountRef": {"name": "other"},
                "roleArn": ROLE,
                "sessionName": "x.y",
                "sessionDuration": "2h",
            }
        },
    ],
)
def test_a_key_survives_another_way_to_the_same_role(aws: dict[str, Any]) -> None:
    """Endpoint, session name, session length and ServiceAccount lead to the same role."""
    assert key_identity(grant(), source=source(**aws)) == key_identity(grant(), source=source())


@pytest.mark.parametrize(
    "aws",
    [
        {"region": "eu-west-1"},
        {"webIdentity": {"serviceAccountRef": REFERENCE, "roleArn": f"{ROLE}-2"}},
        {"webIdentity": {"serviceAccountRef": REFERENCE}},
        {"webIdentity": {"serviceAccountRef": REFERENCE, "roleArn": ROLE, "policy": POLICY}},
        {"webIdentity": {"serviceAccountRef": REFERENCE, "roleArn": ROLE, "policyArns": ["a"]}},
        {"assumeRoles": [HOP]},
        {"assumeRoles": [HOP | {"sessionTags": {"team": "chat"}}]},
        {"webIdentity": None, "ambient": {}},
        {"webIdentity": None, "accessKey": {"secretRef": {"name": "key"}}},
    ],
)
def test_another_identity_mints(aws: dict[str, Any]) -> None:
    """Role, session policy, chain, static key and the region that a grant inherits."""
    assert key_identity(grant(), source=source(**aws)) != key_identity(grant(), source=source())


def test_the_order_of_session_policies_means_nothing() -> None:
    """AWS takes them as a set."""
    state = [
        source(
            webIdentity={"serviceAccountRef": REFERENCE, "roleArn": ROLE, "policyArns": arns}
        ).key_identity()
        for arns in (["a", "b"], ["b", "a"])
    ]
    assert state[0] == state[1]
