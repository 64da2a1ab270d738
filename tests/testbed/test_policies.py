"""The evaluator of IAM policies, as a table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testbed.clouds.conditions import MalformedPolicyError
from testbed.clouds.policies import Effect, Policy

ARN = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
CONTEXT = {
    "aws:sourceip": ("10.1.2.3",),
    "aws:currenttime": ("2026-01-02T03:04:05+00:00",),
    "bedrock:bearertokentype": ("SHORT_TERM",),
    "aws:tagkeys": ("team", "cost"),
    "iam:age": ("30",),
}


def _statement(**changed: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "*", **changed}


def _effect(*statements: dict[str, Any]) -> Effect | None:
    policy = Policy.parse(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    return policy.effect(action="bedrock:InvokeModel", resource=ARN, context=CONTEXT)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"Action": "*"},
        {"Action": "bedrock:Invoke*"},
        {"Action": "BEDROCK:invokemodel"},
        {"Action": ["s3:*", "bedrock:InvokeMode?"]},
        {"Resource": "arn:aws:bedrock:*::foundation-model/amazon.*"},
        {"Condition": {"StringEquals": {"bedrock:BearerTokenType": "SHORT_TERM"}}},
        {"Condition": {"StringLike": {"bedrock:bearerTokenType": ["LONG_*", "SHORT_*"]}}},
        {"Condition": {"StringNotEquals": {"bedrock:bearerTokenType": "LONG_TERM"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-02T03:04:06Z"}}},
        {"Condition": {"StringEqualsIfExists": {"aws:Absent": "x"}}},
        {"Condition": {"StringNotEquals": {"aws:Absent": "x"}}},
        {"Condition": {"ArnNotLike": {"aws:Absent": "arn:*"}}},
        {"Condition": {"Null": {"aws:Absent": "true", "iam:Age": "false"}}},
        {"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["cost", "team", "x"]}}},
        {"Condition": {"ForAllValues:StringEquals": {"aws:Absent": "x"}}},
        {"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "team"}}},
        {"Condition": {"StringEqualsIgnoreCase": {"bedrock:BearerTokenType": "short_term"}}},
        {"Condition": {"NumericLessThanEquals": {"iam:Age": "30"}}},
        {"Condition": {"NumericGreaterThan": {"iam:Age": 29}}},
    ],
)
def test_a_statement_that_applies_allows(changed: dict[str, Any]) -> None:
    """Actions ignore case, both wildcards work, any value of a condition is enough."""
    assert _effect(_statement(**changed)) is Effect.ALLOW


@pytest.mark.parametrize(
    "changed",
    [
        {"Action": "bedrock:Converse"},
        {"Resource": "arn:aws:bedrock:us-east-1::foundation-model/openai.*"},
        {"Resource": ARN.upper()},
        {"Condition": {"StringEquals": {"bedrock:bearerTokenType": "LONG_TERM"}}},
        {"Condition": {"StringEquals": {"aws:Absent": "x"}}},
        {"Condition": {"Null": {"aws:Absent": "false"}}},
        {"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "team"}}},
        {"Condition": {"ForAnyValue:StringEquals": {"aws:Absent": "x"}}},
        {"Condition": {"NumericLessThan": {"iam:Age": "30"}}},
        {"Condition": {"NumericLessThan": {"aws:Absent": "30"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "192.168.0.0/16"}}},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-02T03:04:05Z"}}},
        {
            "Condition": {
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                "StringEquals": {"bedrock:bearerTokenType": "LONG_TERM"},
            }
        },
    ],
)
def test_a_statement_that_does_not_apply_says_nothing(changed: dict[str, Any]) -> None:
    """All parts of a statement must match, and every condition must hold."""
    assert _effect(_statement(**changed)) is None


def test_an_explicit_deny_wins() -> None:
    """Whatever else allows the call, and in whatever order."""
    deny = _statement(Effect="Deny")
    assert _effect(_statement(), deny) is Effect.DENY
    assert _effect(deny, _statement()) is Effect.DENY


def test_not_action_is_everything_else() -> None:
    """NotAction leaves out what it names."""
    rest = {"Effect": "Allow", "Resource": "*"}
    assert _effect({**rest, "NotAction": "s3:*"}) is Effect.ALLOW
    assert _effect({**rest, "NotAction": "bedrock:*"}) is None


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        '{"Statement": [1]}',
        json.dumps({"Statement": [{"Effect": "Allow", "Resource": "*"}]}),
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "*"}]}),
        json.dumps({"Statement": [_statement(Action=[])]}),
        json.dumps({"Statement": [_statement(Resource=[])]}),
        json.dumps({"Statement": [_statement(Principal="*")]}),
        json.dumps({"Statement": [_statement(Effect="Perhaps")]}),
        json.dumps({"Statement": [_statement(Extra="*")]}),
        json.dumps({"Statement": [_statement(Condition={"BinaryEquals": {"a:b": "MQ=="}})]}),
        json.dumps({"Statement": [_statement(Condition=["StringEquals"])]}),
        json.dumps({"Statement": [_statement(Condition={"StringEquals": "x"})]}),
    ],
)
def test_what_is_not_understood_is_refused(document: str) -> None:
    """An element or operator that the evaluator does not know is an error, never ignored."""
    with pytest.raises(MalformedPolicyError):
        Policy.parse(document)
