"""The types of credentials of the vendor's SDK that STS has no part in, or says no to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testbed.clouds.alibaba import UriAnswer
from tests.testbed.alibaba import ACCOUNT, HOST, Member, trusts
from tests.testbed.alibaba_sdk import Sdk, SdkError

if TYPE_CHECKING:
    from pathlib import Path


def _arn(member: Member, session: str = "keywright") -> str:
    return f"acs:ram::1234567890123456:assumed-role/{member.name}/{session}"


def test_a_node_gives_its_role(member: Member, sdk: Sdk) -> None:
    """Type ecs_ram_role: by a token (v2), and the role's name is found."""
    role = member.cloud.create_role(
        name=f"{member.name}-node", trust_policy=trusts({"Service": ["ecs.aliyuncs.com"]})
    )
    member.cloud.attach_instance_role(role)
    reported = sdk.identity(type="ecs_ram_role", disable_imds_v1=True)
    assert reported.startswith(f"acs:ram::{ACCOUNT}:assumed-role/{member.name}-node/i-")
    requested = member.cloud.calls(service="metadata")
    assert {call.action for call in requested} == {"CreateToken", "GetRoleName", "GetCredentials"}
    assert {call.parameters.get("version", "v2") for call in requested} == {"v2"}
    member.cloud.attach_instance_role(None)
    with pytest.raises(SdkError, match="HttpCode=404"):
        sdk.key(type="ecs_ram_role")


def test_a_node_renews_its_credentials(member: Member, sdk: Sdk) -> None:
    """The same until half of a short life is over, then others."""
    role = member.cloud.create_role(
        name=f"{member.name}-node", trust_policy=trusts({"Service": ["ecs.aliyuncs.com"]})
    )
    member.cloud.limit_sessions(seconds=1800)
    member.cloud.attach_instance_role(role)
    first = sdk.key(type="ecs_ram_role")
    assert sdk.key(type="ecs_ram_role") == first
    member.cloud.set_clock(offset_seconds=1000)
    assert sdk.key(type="ecs_ram_role") != first
    member.cloud.attach_instance_role(None)


def test_a_credentials_uri_gives_sessions(member: Member, sdk: Sdk) -> None:
    """Type credentials_uri: good, and as bad as a test wants it."""
    uri = member.cloud.create_credentials_uri(member.role_arn)
    reported = sdk.identity(type="credentials_uri", credentials_uri=uri)
    assert reported == _arn(member, "credentials-uri")
    for answer in (UriAnswer.FAILED, UriAnswer.NO_TOKEN, UriAnswer.NOT_JSON, UriAnswer.NO_OBJECT):
        member.cloud.change_credentials_uri(uri, answer=answer)
        with pytest.raises(SdkError):
            sdk.key(type="credentials_uri", credentials_uri=uri)


def test_a_bearer_token_is_for_the_call_center(member: Member, sdk: Sdk) -> None:
    """Type bearer: GetInstance of CCC takes it until it ends, STS never does."""
    token = member.cloud.create_bearer_token(seconds=600)
    requested: dict[str, Any] = {
        "host": "ccc.cn-shanghai.aliyuncs.com",
        "version": "2020-07-01",
        "query": {"InstanceId": "ccc-test"},
        "type": "bearer",
        "bearer_token": token,
    }
    assert sdk.call("GetInstance", **requested)["Data"]["Id"] == "ccc-test"
    with pytest.raises(SdkError, match="AccessKeyId is mandatory"):
        sdk.identity(type="bearer", bearer_token=token)
    member.cloud.set_clock(offset_seconds=601)
    with pytest.raises(SdkError, match="invalid or expired"):
        sdk.call("GetInstance", **requested)


def test_the_sdks_rsa_signature_is_refused(member: Member, sdk: Sdk, tmp_path: Path) -> None:
    """Type rsa_key_pair of the SDK for Python signs with HMAC-SHA1, which no RSA key is for."""
    pair = member.cloud.create_rsa_key_pair(member.user.user_arn)
    file = tmp_path / "private-key"
    file.write_text(pair.private_key)
    with pytest.raises(SdkError, match="SignatureMethod"):
        sdk.key(
            type="rsa_key_pair",
            public_key_id=pair.public_key_id,
            private_key_file=str(file),
            sts_endpoint=HOST,
        )


def test_the_default_chain_ends_at_a_credentials_uri(member: Member) -> None:
    """The default chain: credentials in the environment of the pod."""
    uri = member.cloud.create_credentials_uri(member.role_arn)
    variables = {
        **member.cloud.client_environment(),
        "ALIBABA_CLOUD_CREDENTIALS_URI": uri,
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
    }
    with Sdk(variables) as pod:
        assert pod.identity() == _arn(member, "credentials-uri")
