"""The IAM user of a long-term key: what it is given, by the form of AWS's guide."""

from typing import Any

import pytest

from keywright.api.bedrock_keys import BedrockLongTermKey
from keywright.clouds.aws.iam.user import inline_policies, managed_policies
from keywright.clouds.owner_tags import owner_of
from tests.unit.api.samples import grant

_USE = ["bedrock:CallWithBearerToken", "bedrock-mantle:CallWithBearerToken"]


def key(**changed: Any) -> BedrockLongTermKey:
    """The key of a grant."""
    spec = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"} | changed
    found = grant(bedrockShortTermKey=None, bedrockLongTermKey=spec).key
    assert isinstance(found, BedrockLongTermKey)
    return found


@pytest.mark.parametrize(
    ("spec", "conditions"),
    [
        ({}, []),
        (
            {"allowedSourceCidrs": ["10.0.0.0/8"]},
            [{"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}],
        ),
        (
            {"notAfter": "2027-01-01T00:00:00Z"},
            [{"DateGreaterThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}],
        ),
        (
            {"allowedSourceCidrs": ["::1/128"], "notAfter": "2027-01-01T00:00:00Z"},
            [
                {"NotIpAddress": {"aws:SourceIp": ["::1/128"]}},
                {"DateGreaterThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}},
            ],
        ),
    ],
)
def test_addresses_and_an_end_become_one_policy_that_denies(
    spec: dict[str, Any], conditions: list[dict[str, Any]]
) -> None:
    """The use of the key is denied elsewhere and later; nothing is allowed by it."""
    found = inline_policies(key(**spec)).get("keywright-restrictions", {"Statement": []})
    assert [statement["Condition"] for statement in found["Statement"]] == conditions
    assert all(statement["Effect"] == "Deny" for statement in found["Statement"])
    assert all(statement["Action"] == _USE for statement in found["Statement"])


def test_the_default_policy_is_that_of_the_partition() -> None:
    """AWS's own for such keys; an empty list attaches none."""
    default = "arn:aws-us-gov:iam::aws:policy/AmazonBedrockLimitedAccess"
    assert managed_policies(key(), partition="aws-us-gov") == (default,)
    assert managed_policies(key(policyArns=[]), partition="aws") == ()


def test_a_user_names_its_grant() -> None:
    """By namespace and name, which a restore keeps."""
    assert owner_of(grant()) == "chat/chat-key"
