"""AWS's own managed policies for API keys.

Statements as published by AWS (AmazonBedrockLimitedAccess v9, the Mantle ones v3 to v5, July 2026)
as far as they concern Bedrock; those for KMS, EC2, web search and Marketplace are omitted. [R]
AnthropicInferenceAccess v2 (April 2026), with the statement for tags of AnthropicLimitedAccess. [R]
CloudWatchAPIKeyAccess v2 (June 2026), CloudWatchLogsAPIKeyAccess (February 2026) and
AWSXRayAPIKeyAccess v1 (October 2026), without their statements for KMS. [R]
"""

from __future__ import annotations

from typing import Any

_MANTLE_PROJECTS = "arn:aws:bedrock-mantle:*:*:project/*"


def _allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


POLICIES = {
    "AnthropicInferenceAccess": _policy(
        _allow(
            "aws-external-anthropic:Get*",
            "aws-external-anthropic:List*",
            "aws-external-anthropic:CreateInference",
            "aws-external-anthropic:CountTokens",
            resource="arn:aws:aws-external-anthropic:*:*:workspace/*",
        ),
        _allow(
            "aws-external-anthropic:GetAccountStatus", "aws-external-anthropic:CallWithBearerToken"
        ),
        {
            **_allow("sts:GetWebIdentityToken"),
            "Condition": {
                "ForAnyValue:StringEquals": {
                    "sts:IdentityTokenAudience": [
                        "https://api.anthropic.com",
                        "https://platform.claude.com",
                    ]
                },
                "StringEquals": {"aws:CalledViaLast": "aws-external-anthropic.amazonaws.com"},
            },
        },
        _allow("sts:TagGetWebIdentityToken"),
    ),
    "AWSXRayAPIKeyAccess": _policy(_allow("xray:CallWithBearerToken", "xray:PutTraceSegments")),
    "CloudWatchAPIKeyAccess": _policy(
        _allow("cloudwatch:CallWithBearerToken", "cloudwatch:PutMetricData")
    ),
    "CloudWatchLogsAPIKeyAccess": _policy(_allow("logs:CallWithBearerToken", "logs:PutLogEvents")),
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
