"""Keys of Alibaba Cloud Model Studio, used by the SDKs dashscope and openai."""

from __future__ import annotations

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.model_studio import HOST, KEY, ModelStudioTenant, renew
from tests.cluster.model_studio_stage import session_operator, studio, world

# Fixtures that have a file of their own.
__all__ = ["session_operator", "studio", "world"]


def test_a_key_is_used_by_both_sdks(studio: ModelStudioTenant) -> None:
    """With what the Secret holds, and with the grant's name in the description of the key."""
    status = studio.key_ready(spec={"secret": {"formats": ["DashScopeEnv", "OpenAIEnv"]}})
    data = studio.data()
    assert data == {
        KEY: data[KEY],
        "DASHSCOPE_HTTP_BASE_URL": f"https://{HOST}/api/v1",
        "DASHSCOPE_COMPATIBLE_BASE_URL": f"https://{HOST}/compatible-mode/v1",
        "DASHSCOPE_API_BASE": f"https://{HOST}/compatible-mode/v1",
        "OPENAI_API_KEY": data[KEY],
        "OPENAI_BASE_URL": f"https://{HOST}/compatible-mode/v1",
    }
    for answer in (studio.ask(), studio.ask_openai()):
        assert answer.error is None
        assert answer.text.startswith("You said: ")
    ((key_id, found),) = studio.keys().items()
    assert status["keyId"] == key_id
    assert "expiresAt" not in status
    assert found["description"].startswith(f"keywright {studio.namespace}/chat-key ")
    assert len(found["description"]) <= 128


def test_a_key_is_rotated_and_revoked(studio: ModelStudioTenant) -> None:
    """The old key works for the overlap, and none is left after the deletion."""
    first = studio.key_ready(overlap="20s")
    before = studio.data()
    renew(studio, revision=2)
    assert len(studio.live_keys()) == 2
    assert studio.ask(**before).ok
    eventually(
        lambda: first["keyId"] not in studio.live_keys(),
        seconds=60,
        reported=lambda: (studio.status(), studio.keys()),
    )
    assert studio.ask().ok
    assert "InvalidApiKey" in (studio.ask(**before).error or "")
    studio.world.api.delete(studio.grant_path())
    eventually(lambda: not studio.live_keys(), seconds=20)


def test_permissions_change_in_place(studio: ModelStudioTenant) -> None:
    """Models and addresses of the key follow the spec, without a new key."""
    first = studio.key_ready(accessibleModels=["qwen-max"])
    assert "AccessDenied" in (studio.ask().error or "")
    studio.edit_key(accessibleModels=["qwen-plus", "qwen-max"])
    eventually(lambda: studio.ask().ok, seconds=20)
    studio.edit_key(accessIps=["203.0.113.0/24"])
    eventually(lambda: "IP whitelist" in (studio.ask().error or ""), seconds=20)
    studio.edit_key(accessIps=None, accessibleModels=None)
    eventually(lambda: studio.ask().ok, seconds=20)
    ((key_id, found),) = studio.keys().items()
    assert not found["custom"]
    assert (key_id, studio.ready()["revision"]) == (first["keyId"], 1)


def test_a_key_that_is_lost_in_the_cloud_is_issued_again(studio: ModelStudioTenant) -> None:
    """Deleted or disabled by hand, another key is in the Secret seconds after the lookup."""
    first = studio.key_ready()
    cloud = studio.world.alibaba
    cloud.delete_model_studio_key(int(first["keyId"].rpartition("/")[2]))
    second = studio.revision(2, seconds=30)
    cloud.enable_model_studio_key(int(second["keyId"].rpartition("/")[2]), enabled=False)
    third = studio.revision(3, seconds=30)
    assert studio.ask().ok
    eventually(lambda: studio.live_keys() == {third["keyId"]}, seconds=20)


def test_an_edited_description_is_written_again(studio: ModelStudioTenant) -> None:
    """The proof of the key's ID shows that it is the grant's, though its mark is gone."""
    status = studio.key_ready()
    number = int(status["keyId"].rpartition("/")[2])
    studio.world.alibaba.describe_model_studio_key(number, description="edited by a person")
    renew(studio, revision=2)
    eventually(lambda: status["keyId"] not in studio.live_keys(), seconds=20)
    assert number not in {key["id"] for key in studio.world.alibaba.model_studio_keys()}


def test_a_workspace_has_a_host_of_its_own(studio: ModelStudioTenant) -> None:
    """The key is created there, in the region of the workspace, and works on its host."""
    workspace, region = f"ws-{studio.namespace[-8:]}", "eu-central-1"
    studio.world.alibaba.create_workspace(workspace, region=region)
    status = studio.key_ready(workspaceId=workspace, region=region)
    base = f"https://{workspace}.{region}.maas.aliyuncs.com"
    assert studio.data()["DASHSCOPE_HTTP_BASE_URL"] == f"{base}/api/v1"
    assert studio.ask().ok
    assert studio.ask_openai().ok
    ((key_id, found),) = studio.keys().items()
    assert (key_id, found["workspace"]) == (status["keyId"], workspace)
    assert f"/{region}/" in key_id
    shared = studio.ask(DASHSCOPE_HTTP_BASE_URL=f"https://{HOST}/api/v1")
    assert "InvalidApiKey" in (shared.error or "")


def test_another_workspace_gets_another_key(studio: ModelStudioTenant) -> None:
    """The key of the former workspace retires, and is deleted after the overlap."""
    first = studio.key_ready()
    studio.world.alibaba.create_workspace("ws-second", region="cn-beijing")
    studio.edit_key(workspaceId="ws-second")
    second = studio.revision(2)
    eventually(lambda: studio.live_keys() == {second["keyId"]}, seconds=20)
    assert second["keyId"] != first["keyId"]
    assert studio.ask().ok


def test_retained_keys_stay(studio: ModelStudioTenant) -> None:
    """With a mark that a later grant of the name respects."""
    first = studio.key_ready(spec={"deletionPolicy": "Retain"})
    data = studio.data()
    studio.world.api.delete(studio.grant_path())
    eventually(lambda: not studio.world.api.exists(studio.grant_path()))
    # A grant that finds the Secret adopts the key in it.
    eventually(lambda: not studio.world.api.exists(studio.secret_path()))
    ((key_id, found),) = studio.keys().items()
    assert key_id == first["keyId"]
    assert ".r " in found["description"]
    studio.apply_key()
    studio.ready()
    assert studio.live_keys() > {first["keyId"]}
    assert studio.ask(**data).ok


@pytest.mark.parametrize(
    ("model", "action"), [(None, "CreateToken"), ("qwen-plus", "ChatCompletions")]
)
def test_a_key_is_probed(studio: ModelStudioTenant, model: str | None, action: str) -> None:
    """By a temporary key, or by one token of a model, before it is published."""
    probe = {"mode": "Service", **({} if model is None else {"modelId": model})}
    status = studio.key_ready(spec={"probe": probe})
    number = status["keyId"].rpartition("/")[2]
    calls = studio.world.alibaba.calls(service="dashscope", action=action)
    assert any((call.principal or "").endswith(f"apikey/{number}") for call in calls)
