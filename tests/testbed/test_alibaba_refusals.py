"""How Alibaba Cloud refuses: a table of requests that are wrong in one thing each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.alibaba import (
    ACCOUNT,
    Member,
    allow,
    reported,
    trusts,
)

if TYPE_CHECKING:
    pass

LONG_POLICY = json.dumps(allow(f"oss:{'x' * 2048}"), separators=(",", ":"))


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"Signature": "bm90IGl0"}, 400, "SignatureDoesNotMatch"),
        ({"Timestamp": "yesterday"}, 400, "InvalidTimeStamp.Format"),
        ({"SignatureVersion": "2.0"}, 400, "InvalidSignatureVersion"),
        ({"SignatureMethod": "HMAC-SHA256"}, 400, "InvalidSignatureMethod"),
        ({"SignatureNonce": ""}, 400, "MissingSignatureNonce"),
        ({"AccessKeyId": ""}, 400, "MissingAccessKeyId"),
        ({"AccessKeyId": "LTAI5tUnknown"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"SecurityToken": "CAISnone"}, 400, "InvalidSecurityToken.Malformed"),
        ({"Version": "2014-01-01"}, 400, "InvalidVersion"),
        ({"Action": "AssumeTheWorst"}, 404, "InvalidAction.NotFound"),
        ({"RoleArn": "acs:ram::1:role/r"}, 400, "InvalidParameter.RoleArn"),
        ({"RoleArn": ""}, 400, "MissingRoleArn"),
        ({"RoleArn": f"acs:ram::{ACCOUNT}:role/none"}, 404, "EntityNotExist.Role"),
        ({"RoleSessionName": "a b"}, 400, "InvalidParameter.RoleSessionName"),
        ({"RoleSessionName": "s" * 65}, 400, "InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": "899"}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "3601"}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "an hour"}, 400, "InvalidParameter.DurationSeconds"),
        ({"Policy": "{"}, 400, "InvalidParameter.PolicyGrammar"),
        (
            {"Policy": '{"Version":"2012-10-17","Statement":[]}'},
            400,
            "InvalidParameter.PolicyGrammar",
        ),
        ({"Policy": LONG_POLICY}, 400, "InvalidParameter.PolicySize"),
        ({"ExternalId": "#"}, 400, "InvalidParameter.ExternalId"),
    ],
)
def test_a_call_that_is_wrong_in_one_thing(
    member: Member, changed: dict[str, Any], status: int, code: str
) -> None:
    """AssumeRole, signed as it should be but for this; the code names what is wrong."""
    assert reported(member.assume(**changed)) == (status, code)


def test_a_session_needs_its_token(member: Member) -> None:
    """None, another session's, or one with a user's key: each has its own refusal."""
    first, second = (member.temporary(member.assume()) for _ in range(2))
    ask = {"Action": "GetCallerIdentity"}
    good = member.call({**ask, "SecurityToken": first.token}, key=first.key)
    assert good.content["IdentityType"] == "AssumedRoleUser"
    assert reported(member.call(ask, key=first.key)) == (400, "MissingSecurityToken")
    mixed = "InvalidSecurityToken.MismatchWithAccessKey"
    assert reported(member.call({**ask, "SecurityToken": second.token}, key=first.key)) == (
        400,
        mixed,
    )
    assert reported(member.call({**ask, "SecurityToken": first.token})) == (400, mixed)


def test_access_keys_come_and_go(member: Member) -> None:
    """Inactive, active again, deleted."""
    key = member.cloud.create_access_key(member.user.user_arn)
    member.cloud.set_access_key_active(key.access_key_id, active=False)
    assert reported(member.assume(key=key)) == (400, "InvalidAccessKeyId.Inactive")
    member.cloud.set_access_key_active(key.access_key_id, active=True)
    assert member.assume(key=key).status == 200
    member.cloud.delete_access_key(key.access_key_id)
    assert reported(member.assume(key=key)) == (404, "InvalidAccessKeyId.NotFound")


def test_the_account_itself_may_not_assume_roles(member: Member) -> None:
    """Only users and roles may."""
    answer = member.assume(key=member.cloud.create_root_key())
    assert reported(answer) == (403, "NoPermission")
    assert answer.message == "Roles may not be assumed by root accounts."


def test_both_policies_must_allow_a_role(member: Member) -> None:
    """The caller's own, and the role's trust policy with its conditions."""
    nobody = member.cloud.create_user(name=f"{member.name}-unused")
    refused = member.assume(key=nobody)
    assert reported(refused) == (403, "NoPermission")
    assert refused.message.startswith("You are not authorized to do this action.")
    member.cloud.put_trust_policy(
        member.role_arn,
        trust_policy=trusts(
            {"RAM": [member.user.user_arn]}, StringEquals={"sts:ExternalId": "partner-7"}
        ),
    )
    assert reported(member.assume()) == (403, "NoPermission")
    assert reported(member.assume(ExternalId="partner-8")) == (403, "NoPermission")
    assert member.assume(ExternalId="partner-7").status == 200


def test_a_role_may_allow_longer_sessions(member: Member) -> None:
    """The bound in the message is the role's own."""
    long = member.cloud.create_role(
        name=f"{member.name}-long", trust_policy=member.trust(), max_session_seconds=43200
    )
    assert member.assume(RoleArn=long, DurationSeconds="43200").status == 200
    answer = member.assume(RoleArn=long, DurationSeconds="43201")
    assert answer.message == "The Min/Max value of DurationSeconds is 15min/12hr."


@pytest.mark.parametrize(
    ("operator", "key", "value", "allowed"),
    [
        ("IpAddress", "acs:SourceIp", "127.0.0.0/8", True),
        ("IpAddress", "acs:SourceIp", "10.0.0.0/8", False),
        ("Bool", "acs:SecureTransport", "true", True),
        ("DateLessThan", "acs:CurrentTime", "2020-01-01T00:00:00+00:00", False),
    ],
)
def test_a_condition_of_a_policy_decides(
    member: Member, operator: str, key: str, value: str, *, allowed: bool
) -> None:
    """Where, how and when a call comes."""
    condition: dict[str, Any] = {operator: {key: value}}
    policy = allow("sts:AssumeRole", **condition)
    user = member.cloud.create_user(name=f"{member.name}-if", policies={"if": policy})
    assert (member.assume(key=user).status == 200) is allowed
