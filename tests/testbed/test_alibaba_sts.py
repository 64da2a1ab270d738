"""Alibaba Cloud's STS by the vendor's own SDKs: keys, roles, tokens, sessions."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.alibaba import HOST, Member, allow, trusts
from tests.testbed.alibaba_sdk import Sdk, SdkError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.testbed.alibaba_sdk import TemporaryKey


def _arn(member: Member, session: str = "keywright") -> str:
    return f"acs:ram::1234567890123456:assumed-role/{member.name}/{session}"


def _sts(key: TemporaryKey) -> dict[str, Any]:
    return {
        "type": "sts",
        "access_key_id": key.access_key_id,
        "access_key_secret": key.access_key_secret,
        "security_token": key.security_token,
    }


def _role(member: Member, **changed: Any) -> dict[str, Any]:
    return {
        "type": "ram_role_arn",
        "access_key_id": member.user.access_key_id,
        "access_key_secret": member.user.secret_key,
        "role_arn": member.role_arn,
        "role_session_name": "keywright",
        "sts_endpoint": HOST,
        **changed,
    }


def _regions(sdk: Sdk, **config: Any) -> list[str]:
    reported = sdk.call(
        "DescribeRegions", host="ecs.cn-hangzhou.aliyuncs.com", version="2014-05-26", **config
    )
    return [region["RegionId"] for region in reported["Regions"]["Region"]]


def test_an_access_key_is_its_user(member: Member, sdk: Sdk) -> None:
    """Type access_key."""
    reported = sdk.identity(
        type="access_key",
        access_key_id=member.user.access_key_id,
        access_key_secret=member.user.secret_key,
    )
    assert reported == member.user.user_arn


def test_a_session_is_its_role(member: Member, sdk: Sdk) -> None:
    """Type ram_role_arn makes a session, type sts uses it."""
    key = sdk.key(**_role(member))
    assert key.access_key_id.startswith("STS.")
    assert sdk.identity(**_sts(key)) == _arn(member)


@pytest.mark.parametrize(
    "host", ["sts.aliyuncs.com", "sts.cn-beijing.aliyuncs.com", "sts-vpc.cn-hangzhou.aliyuncs.com"]
)
def test_every_endpoint_is_there(member: Member, sdk: Sdk, host: str) -> None:
    """Global, regional and in a VPC; the journal tells which."""
    sdk.key(**_role(member, sts_endpoint=host))
    assert member.cloud.calls(service="sts", action="AssumeRole")[-1].host == host


def test_roles_can_be_chained(member: Member, sdk: Sdk) -> None:
    """A session assumes the next role, with its token."""
    second = member.cloud.create_role(
        name=f"{member.name}-second", trust_policy=trusts({"RAM": [member.role_arn]})
    )
    first = sdk.key(**_role(member))
    key = sdk.key(**{**_role(member, role_arn=second), **_sts(first), "type": "ram_role_arn"})
    assert sdk.identity(**_sts(key)).endswith(f"/{member.name}-second/keywright")


def test_the_sts_sdk_assumes_a_role(member: Member, sdk: Sdk) -> None:
    """Signed in the headers, blanks in the policy and all; the answer has every member."""
    reported = sdk.call(
        "AssumeRole",
        host=HOST,
        query={
            "role_arn": member.role_arn,
            "role_session_name": "keywright",
            "duration_seconds": 900,
            "policy": json.dumps(allow("ecs:*")),
        },
        type="access_key",
        access_key_id=member.user.access_key_id,
        access_key_secret=member.user.secret_key,
    )
    assert reported["AssumedRoleUser"]["Arn"] == _arn(member)
    assert set(reported["Credentials"]) == {
        "AccessKeyId",
        "AccessKeySecret",
        "SecurityToken",
        "Expiration",
    }


def test_the_sts_sdk_takes_a_token(member: Member, sdk: Sdk) -> None:
    """AssumeRoleWithOIDC needs no credentials of its own."""
    reported = sdk.call(
        "AssumeRoleWithOIDC",
        host=HOST,
        query={
            "role_arn": member.role_arn,
            "oidcprovider_arn": member.provider_arn,
            "oidctoken": member.token(),
            "role_session_name": "keywright",
        },
        type="access_key",
        access_key_id="unused",
        access_key_secret="unused",
    )
    assert reported["AssumedRoleUser"]["Arn"] == _arn(member)
    assert reported["OIDCTokenInfo"]["Subject"].startswith("system:serviceaccount:")


def test_a_token_gives_a_session(member: Member, sdk: Sdk, tmp_path: Path) -> None:
    """Type oidc_role_arn: the token is read from its file and goes unsigned."""
    file = tmp_path / "token"
    file.write_text(member.token())
    reported = sdk.identity(
        type="oidc_role_arn",
        role_arn=member.role_arn,
        oidc_provider_arn=member.provider_arn,
        oidc_token_file_path=str(file),
        role_session_name="keywright",
        sts_endpoint=HOST,
    )
    assert reported == _arn(member)


def test_a_policy_decides_what_a_session_may(member: Member, sdk: Sdk) -> None:
    """The role's policy allows, a session policy narrows, and a role that is gone has none."""
    key = sdk.key(**_role(member))
    assert "cn-hangzhou" in _regions(sdk, **_sts(key))
    narrow = json.dumps(allow("oss:*"), separators=(",", ":"))
    narrowed = sdk.key(**_role(member, policy=narrow))
    with pytest.raises(SdkError, match="User not authorized to operate"):
        _regions(sdk, **_sts(narrowed))
    member.cloud.delete_role(member.role_arn)
    with pytest.raises(SdkError, match="User not authorized to operate"):
        _regions(sdk, **_sts(key))


def test_a_session_ends(member: Member, sdk: Sdk) -> None:
    """At the reported time, and at once when it is revoked."""
    member.cloud.limit_sessions(seconds=5)
    key = sdk.key(**_role(member))
    issued = member.cloud.sessions()[-1]
    assert 4 < issued.expires_at - time.time() < 7
    assert issued.role_arn == member.role_arn
    member.cloud.set_clock(offset_seconds=10)
    with pytest.raises(SdkError, match="Specified SecurityToken is expired"):
        sdk.identity(**_sts(key))
    member.cloud.set_clock(offset_seconds=0)
    sdk.identity(**_sts(key))
    member.cloud.revoke_session(key.access_key_id)
    with pytest.raises(SdkError, match="Specified SecurityToken is expired"):
        sdk.identity(**_sts(key))


def test_the_journal_names_no_secret(member: Member, sdk: Sdk) -> None:
    """Caller, action, role and result of each call; `secrets` has the values that must not leak."""
    token = member.token()
    answer = member.assume_with_oidc(OIDCToken=token)
    key = sdk.key(**_role(member))
    calls = member.cloud.calls(service="sts")
    assert [call.principal for call in calls] == [_arn(member), member.user.user_arn]
    assert calls[1].parameters["RoleArn"] == member.role_arn
    assert calls[1].session == key.access_key_id
    secrets = member.cloud.secrets()
    given = answer.content["Credentials"]
    for secret in (token, given["SecurityToken"], key.access_key_secret, member.user.secret_key):
        assert secret in secrets
        assert secret not in repr(calls)
