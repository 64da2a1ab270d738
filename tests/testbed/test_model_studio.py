"""Model Studio: the SDKs of the vendor are answered, and refused whenever anything is off."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed.clouds.alibaba import UserAccessKey
from testbed.readers import model_studio
from tests.testbed.alibaba import allow

if TYPE_CHECKING:
    from tests.testbed.alibaba import Member

_PROGRAM = Path(__file__).with_name("model_studio_program.py")
_ACTIONS = (
    *("CreateApiKey", "ListApiKeys", "GetApiKey", "UpdateApiKey"),
    *("DisableApiKey", "EnableApiKey", "DeleteApiKey"),
)
REGION = "cn-beijing"
BASE = "https://dashscope.aliyuncs.com"


def _user(member: Member, *actions: str) -> UserAccessKey:
    """A RAM user with these actions of Model Studio, or all that the SDK calls here."""
    chosen = [f"modelstudio:{action}" for action in actions or _ACTIONS]
    return member.cloud.create_user(
        name=f"{member.name}-studio", policies={"studio": allow(*chosen)}
    )


def _sdk(
    member: Member,
    user: UserAccessKey,
    method: str,
    *,
    key_id: int | None = None,
    region: str = REGION,
    secret: str | None = None,
    **body: Any,
) -> dict[str, Any]:
    """The response to one call of the SDK, or its error."""
    key = {"access_key_id": user.access_key_id, "access_key_secret": secret or user.secret_key}
    requested = {
        "key": key,
        "region": region,
        "method": method,
        "key_id": None if key_id is None else str(key_id),
        "body": body,
    }
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), json.dumps(requested)],
        env={"HOME": "/nonexistent", **member.cloud.client_environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return dict(found.get("answer") or {"error": found["error"]})


def _made(member: Member, user: UserAccessKey, **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = _sdk(member, user, "create_api_key", description="d", **body)["apiKey"]
    return found


def _ask(member: Member, value: str, *, base: str = BASE) -> str:
    """The answer of the SDK dashscope, or its error."""
    data = {"DASHSCOPE_API_KEY": value, "DASHSCOPE_HTTP_BASE_URL": f"{base}/api/v1"}
    answer = model_studio.call(data, cloud_environment=member.cloud.client_environment())
    return answer.text or answer.error or ""


def _ask_openai(member: Member, value: str) -> str:
    """The answer of OpenAI's SDK, or its error."""
    data = {"OPENAI_API_KEY": value, "OPENAI_BASE_URL": f"{BASE}/compatible-mode/v1"}
    answer = model_studio.call_openai(data, cloud_environment=member.cloud.client_environment())
    return answer.text or answer.error or ""


def test_the_sdk_manages_keys(member: Member) -> None:
    """Create, list, get, update, disable, enable, delete: each has its effect on calls."""
    user = _user(member)
    made = _made(member, user)
    number, value = made["apiKeyId"], made["apiKeyValue"]
    assert "You said" in _ask(member, value)
    assert "You said" in _ask_openai(member, value)
    listed = _sdk(member, user, "list_api_keys", description="d", maxResults=100)
    (shown,) = [key for key in listed["apiKeys"] if key["apiKeyId"] == number]
    assert shown["apiKeyValue"] != value
    auth = {
        "type": "Custom",
        "modelAccessScope": {"allowAllModels": False, "accessibleModels": ["qwen-max"]},
    }
    _sdk(member, user, "update_api_key", key_id=number, auth=auth)
    assert "Model.AccessDenied" in _ask(member, value)
    auth = {"type": "Custom", "accessIps": ["203.0.113.0/24"]}
    _sdk(member, user, "update_api_key", key_id=number, auth=auth)
    assert "IP whitelist" in _ask(member, value)
    _sdk(member, user, "update_api_key", key_id=number, auth={"type": "All"})
    _sdk(member, user, "disable_api_key", key_id=number)
    assert _sdk(member, user, "get_api_key", key_id=number)["apiKey"]["disabled"] == 1
    assert "InvalidApiKey" in _ask(member, value)
    assert "Incorrect API key provided" in _ask_openai(member, value)
    _sdk(member, user, "enable_api_key", key_id=number)
    assert "You said" in _ask(member, value)
    _sdk(member, user, "delete_api_key", key_id=number)
    assert "InvalidApiKey" in _ask(member, value)
    assert "ApiKey.NotFound" in _sdk(member, user, "get_api_key", key_id=number)["error"]


@pytest.mark.parametrize("action", ["CreateApiKey", "ListApiKeys"])
def test_ram_decides(member: Member, action: str) -> None:
    """Without its permission, no action is executed."""
    user = _user(member, *(each for each in _ACTIONS if each != action))
    method = "create_api_key" if action == "CreateApiKey" else "list_api_keys"
    assert f"modelstudio:{action}" in _sdk(member, user, method, description="d")["error"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"description": "d" * 129}, "InvalidParameter"),
        ({"description": "d", "workspaceId": "ws-nowhere"}, "Workspace.NotFound"),
        ({"description": "d", "auth": {"type": "Some"}}, "InvalidParameter"),
        ({"description": "d", "auth": {"type": "Custom", "accessIps": ["x"]}}, "InvalidParameter"),
        (
            {
                "description": "d",
                "auth": {
                    "type": "Custom",
                    "modelAccessScope": {"allowAllModels": False, "accessibleModels": ["x"]},
                },
            },
            "Model.NotFound",
        ),
    ],
)
def test_invalid_parameters_are_refused(member: Member, body: Any, code: str) -> None:
    """With a code for each."""
    assert code in _sdk(member, _user(member), "create_api_key", **body)["error"]


def test_a_wrong_secret_is_refused(member: Member) -> None:
    """The signature of the SDK is verified."""
    answer = _sdk(member, _user(member), "list_api_keys", secret="x" * 30)
    assert "SignatureDoesNotMatch" in answer["error"]


def test_a_region_has_a_quota_and_keys_of_its_own(member: Member) -> None:
    """Twenty keys in the US; a key of one region is refused in another."""
    user = _user(member)
    value = _made(member, user)["apiKeyValue"]
    assert "InvalidApiKey" in _ask(member, value, base="https://dashscope-intl.aliyuncs.com")
    kept = [key for key in member.cloud.model_studio_keys() if key["region"] == "us-east-1"]
    for _ in range(20 - len(kept)):
        member.cloud.create_model_studio_key(region="us-east-1")
    answer = _sdk(member, user, "create_api_key", region="us-east-1", description="d")
    assert "ApiKey.LimitExceeded" in answer["error"]


def _token(member: Member, value: str, query: str) -> dict[str, Any]:
    """The response to a request for a temporary key; any status."""
    request = urllib.request.Request(  # noqa: S310  an address of the emulator
        f"{BASE}/api/v1/tokens{query}",
        method="POST",
        headers={"Authorization": f"Bearer {value}"},
    )
    proxy = {"https": f"http://127.0.0.1:{member.cloud.proxy_port}"}
    context = ssl.create_default_context(cafile=str(member.cloud.ca_file))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxy), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=10) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))


def test_a_temporary_key_ends(member: Member) -> None:
    """It works until its expiry, makes no other one, and ends with its parent."""
    user = _user(member)
    made = _made(member, user)
    token = _token(member, made["apiKeyValue"], "?expire_in_seconds=1800")["token"]
    assert token.startswith("st-")
    assert "You said" in _ask(member, token)
    assert _token(member, token, "")["code"] == "InvalidApiKey"
    member.cloud.set_clock(offset_seconds=1801)
    assert "InvalidApiKey" in _ask(member, token)
    member.cloud.set_clock(offset_seconds=0)
    _sdk(member, user, "delete_api_key", key_id=made["apiKeyId"])
    assert "InvalidApiKey" in _ask(member, token)


@pytest.mark.parametrize("seconds", ["0", "1801", "x"])
def test_a_lifetime_out_of_range_is_refused(member: Member, seconds: str) -> None:
    """Between one second and half an hour."""
    value = _made(member, _user(member))["apiKeyValue"]
    answer = _token(member, value, f"?expire_in_seconds={seconds}")
    assert answer["code"] == "InvalidParameter"


def test_a_workspace_host_takes_its_own_keys_alone(member: Member) -> None:
    """The key of the default workspace is refused there."""
    member.cloud.create_workspace("ws-own", region=REGION)
    user = _user(member)
    base = f"https://ws-own.{REGION}.maas.aliyuncs.com"
    own = _made(member, user, workspaceId="ws-own")["apiKeyValue"]
    assert "You said" in _ask(member, own, base=base)
    other = _made(member, user)["apiKeyValue"]
    assert "Workspace.AccessDenied" in _ask(member, other, base=base)
