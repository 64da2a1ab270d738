"""AWS's own managed policies for Bedrock's API keys.

Statements as published by AWS (AmazonBedrockLimitedAccess v9, the Mantle ones v3 to v5, July 2026)
as far as they concern Bedrock; those for KMS, EC2, web search and Marketplace are omitted. [R]
"""

from __future__ import annotations

from typing import Any

_MANTLE_PROJECTS = "arn:aws:bedrock-mantle:*:*:project/*"


def _allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


POLICIES = {
    "AmazonBedrockFullAccess": _policy(_allow("bedrock:*"), _allow("bedrock-mantle:*")),
    "AmazonBedrockLimitedAccess": _policy(
        _allow(
            "bedrock:Get*",
            "bedrock:List*",
            "bedrock:CallWithBearerToken",
            "bedrock:ApplyGuardrail",
            "bedrock:InvokeModel",
            "bedrock:InvokeModelWithResponseStream",
        ),
        _allow(
            "bedrock-mantle:CallWithBearerToken",
            "bedrock-mantle:Get*",
            "bedrock-mantle:List*",
            "bedrock-mantle:CreateInference",
        ),
    ),
    "AmazonBedrockReadOnly": _policy(_allow("bedrock:Get*", "bedrock:List*")),
    "AmazonBedrockMantleFullAccess": _policy(_allow("bedrock-mantle:*")),
    "AmazonBedrockMantleInferenceAccess": _policy(
        _allow(
            "bedrock-mantle:Get*",
            "bedrock-mantle:List*",
            "bedrock-mantle:CreateInference",
            resource=_MANTLE_PROJECTS,
        ),
        _allow("bedrock-mantle:CallWithBearerToken"),
    ),
    "AmazonBedrockMantleReadOnly": _policy(
        _allow("bedrock-mantle:Get*", "bedrock-mantle:List*", resource=_MANTLE_PROJECTS),
        _allow("bedrock-mantle:CallWithBearerToken"),
    ),
}
