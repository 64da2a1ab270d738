"""Alibaba Cloud's STS by the vendor's own SDKs: every type of their `Config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.testbed.alibaba import HOST, Member

if TYPE_CHECKING:
    from pathlib import Path

    from tests.testbed.alibaba_sdk import Sdk


def _arn(member: Member, session: str = "keywright") -> str:
    return f"acs:ram::1234567890123456:assumed-role/{member.name}/{session}"


def test_an_access_key_is_its_user(member: Member, sdk: Sdk) -> None:
    """Type access_key."""
    told = sdk.identity(
        type="access_key",
        access_key_id=member.user.access_key_id,
        access_key_secret=member.user.secret_key,
    )
    assert told == member.user.user_arn


def test_a_session_is_its_role(member: Member, sdk: Sdk) -> None:
    """Type ram_role_arn makes a session, type sts uses it."""
    key = sdk.key(
        type="ram_role_arn",
        access_key_id=member.user.access_key_id,
        access_key_secret=member.user.secret_key,
        role_arn=member.role_arn,
        role_session_name="keywright",
        sts_endpoint=HOST,
    )
    assert key.access_key_id.startswith("STS.")
    told = sdk.identity(
        type="sts",
        access_key_id=key.access_key_id,
        access_key_secret=key.access_key_secret,
        security_token=key.security_token,
    )
    assert told == _arn(member)


def test_a_token_gives_a_session(member: Member, sdk: Sdk, tmp_path: Path) -> None:
    """Type oidc_role_arn: the token is read from its file and goes unsigned."""
    file = tmp_path / "token"
    file.write_text(member.token())
    told = sdk.identity(
        type="oidc_role_arn",
        role_arn=member.role_arn,
        oidc_provider_arn=member.provider_arn,
        oidc_token_file_path=str(file),
        role_session_name="keywright",
        sts_endpoint=HOST,
    )
    assert told == _arn(member)
