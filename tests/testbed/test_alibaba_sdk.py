"""Traps of Alibaba Cloud's SDK for Python that our documents warn of, seen on the SDK itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testbed.processes import free_port
from tests.testbed.alibaba import HOST, Member
from tests.testbed.alibaba_sdk import Sdk, SdkError

if TYPE_CHECKING:
    from pathlib import Path


def _role(member: Member) -> dict[str, Any]:
    return {
        "type": "ram_role_arn",
        "access_key_id": member.user.access_key_id,
        "access_key_secret": member.user.secret_key,
        "role_arn": member.role_arn,
        "role_session_name": "keywright",
        "sts_endpoint": HOST,
    }


def test_it_may_be_asked_asynchronously(member: Member, sdk: Sdk) -> None:
    """The same requests, by another HTTP client."""
    assert sdk.key(asynchronous=True, **_role(member)).access_key_id.startswith("STS.")
    uri = member.cloud.create_credentials_uri(member.role_arn)
    key = sdk.key(asynchronous=True, type="credentials_uri", credentials_uri=uri)
    assert key.access_key_id.startswith("STS.")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_behind_a_proxy_it_asks_certifi_for_cas(member: Member, *, asynchronous: bool) -> None:
    """Neither SSL_CERT_FILE nor REQUESTS_CA_BUNDLE help a synchronous call."""
    environment = member.cloud.client_environment()
    del environment["PYTHONPATH"]
    with Sdk(environment) as pod:
        if asynchronous:
            assert pod.key(asynchronous=True, **_role(member)).security_token
        else:
            with pytest.raises(SdkError, match="CERTIFICATE_VERIFY_FAILED"):
                pod.key(**_role(member))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_asks_a_proxy_for_the_loopback_address(member: Member, *, asynchronous: bool) -> None:
    """HTTP_PROXY is used for a credentials URI, whatever NO_PROXY says."""
    uri = member.cloud.create_credentials_uri(member.role_arn)
    environment = {"HTTP_PROXY": f"http://127.0.0.1:{free_port()}", "NO_PROXY": "127.0.0.1"}
    requested: dict[str, Any] = {"type": "credentials_uri", "credentials_uri": uri}
    with Sdk(environment) as pod, pytest.raises(SdkError):
        pod.key(asynchronous=asynchronous, **requested)
    with Sdk({"NO_PROXY": "127.0.0.1"}) as pod:
        assert pod.key(asynchronous=asynchronous, **requested).security_token


def test_its_file_of_credentials_has_no_sessions(member: Member, tmp_path: Path) -> None:
    """`credentials.ini` of type access_key is read, of type sts it is refused."""
    file = tmp_path / "credentials.ini"
    environment = {
        **member.cloud.client_environment(),
        "ALIBABA_CLOUD_CREDENTIALS_FILE": str(file),
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
    }
    lines = [
        f"access_key_id = {member.user.access_key_id}",
        f"access_key_secret = {member.user.secret_key}",
    ]
    with Sdk(environment) as pod:
        file.write_text("\n".join(["[default]", "type = access_key", *lines]))
        assert pod.identity() == member.user.user_arn
        file.write_text("\n".join(["[default]", "type = sts", *lines, "security_token = t"]))
        with pytest.raises(SdkError, match="unsupported credential type sts"):
            pod.key()
