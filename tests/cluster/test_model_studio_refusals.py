"""What Model Studio refuses, in words with field and cure; and what a tenant must not reach."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.model_studio import KIND, REGION, ModelStudioTenant, permissions, renew
from tests.cluster.model_studio_stage import session_operator, studio, world
from tests.cluster.tenants import condition

# Fixtures that have a file of their own.
__all__ = ["session_operator", "studio", "world"]

_SOURCE = "CredentialSource spec.alibabaCloud: "
_FIELD = f"spec.{KIND}"


def _refused(tenant: ModelStudioTenant, *, reason: str, **key: Any) -> str:
    """The message of a grant that is refused; there is no Secret, and no key in the cloud."""
    tenant.apply_source()
    tenant.apply_key(**key)
    found = tenant.reported("Ready", status="False", reason=reason)
    assert not tenant.has_secret()
    assert tenant.live_keys() == set()
    return str(condition(found, "Ready")["message"])


@pytest.mark.parametrize("action", ["CreateApiKey", "ListApiKeys"])
def test_a_missing_permission_is_reported(studio: ModelStudioTenant, action: str) -> None:
    """With the action, the identity that lacks it, and where the policy is printed."""
    policy = permissions()
    (statement,) = policy["Statement"]
    statement["Action"].remove(f"modelstudio:{action}")
    studio.permit(policy)
    message = _refused(studio, reason="AccessDenied")
    assert message.startswith(f"{_SOURCE}Model Studio: NoPermission: ")
    assert f"Allow modelstudio:{action} on * in RAM for acs:ram::" in message
    assert "keywright explain prints the policy" in message
    studio.permit(permissions())
    studio.ready(seconds=60)


@pytest.mark.parametrize("action", ["DisableApiKey", "DeleteApiKey", "GetApiKey"])
def test_a_permission_that_the_rotation_lacks_is_reported(
    studio: ModelStudioTenant, action: str
) -> None:
    """The new key is in the Secret; the old one stays until it may be removed."""
    studio.key_ready()
    policy = permissions()
    (statement,) = policy["Statement"]
    statement["Action"].remove(f"modelstudio:{action}")
    studio.permit(policy)
    studio.annotate_grant(**{"keywright.dev/renew-requested-at": "2031-01-01T00:00:00Z"})
    found = studio.reported("RenewalFailing", reason="AccessDenied")
    assert f"Allow modelstudio:{action}" in condition(found, "RenewalFailing")["message"]
    assert studio.ask().ok
    studio.permit(permissions())
    eventually(lambda: len(studio.live_keys()) == 1, seconds=60)
    studio.ready(seconds=60)


def test_a_workspace_that_does_not_exist_is_reported(studio: ModelStudioTenant) -> None:
    """With the field, and the region in which it was looked for."""
    message = _refused(studio, reason="WorkspaceNotFound", workspaceId="ws-nowhere")
    assert message.startswith(f"{_FIELD}.workspaceId: ")
    assert f"Set the ID of a workspace in {REGION}" in message


def test_a_model_that_does_not_exist_is_reported(studio: ModelStudioTenant) -> None:
    """With the field, and where the models are listed."""
    message = _refused(studio, reason="ModelNotFound", accessibleModels=["qwen-nothing"])
    assert message.startswith(f"{_FIELD}.accessibleModels: ")
    assert "qwen-nothing" in message


def test_the_quota_of_a_region_is_reported(studio: ModelStudioTenant) -> None:
    """With the number of keys, and what to delete; no other key is touched."""
    for number in range(20):
        studio.world.alibaba.create_model_studio_key(region="us-east-1", description=f"{number}")
    message = _refused(studio, reason="KeyLimitReached", region="us-east-1")
    assert message.startswith(f"{_FIELD}: ")
    assert "Delete API keys in us-east-1" in message
    studio.world.alibaba.delete_model_studio_key(studio.world.alibaba.model_studio_keys()[-1]["id"])
    studio.ready(seconds=60)


def test_a_region_without_a_host_is_reported(studio: ModelStudioTenant) -> None:
    """That of the source; one in the grant is refused at apply."""
    studio.region = "cn-hangzhou"
    studio.apply_source()
    studio.apply_key()
    message = condition(studio.reported("Stalled"), "Stalled")["message"]
    assert message.startswith(f"{_FIELD}.region: Model Studio has no shared host in cn-hangzhou")
    assert "set workspaceId" in message


@pytest.mark.parametrize(
    ("code", "status", "reason", "cure"),
    [
        ("Throttling.User", 400, "Throttled", "sends requests more slowly"),
        ("InvalidAccessKeyId.NotFound", 404, "InvalidAccessKeyIdNotFound", "The key was deleted"),
        ("InvalidTimeStamp.Expired", 400, "ClockSkew", "correct it (NTP)"),
        ("ServiceNotActivated", 400, "NotActivated", f"Activate Model Studio in {REGION}"),
        ("InvalidParameter", 400, "InvalidParameter", "Correct the value"),
        ("InternalError", 500, "CloudError", "Tried again"),
    ],
)
def test_other_refusals_say_what_to_do(
    studio: ModelStudioTenant, code: str, status: int, reason: str, cure: str
) -> None:
    """With the code of the service, and a cure for each class; the grant is Ready afterwards."""
    studio.world.alibaba.fail_next(
        "modelstudio", "ListApiKeys", code=code, message="planted", status=status, count=1000
    )
    message = _refused(studio, reason=reason)
    assert "planted" in message
    assert cure in message
    studio.world.alibaba.clear_faults()
    studio.ready(seconds=60)


def test_a_create_without_a_response_leaves_no_second_key(studio: ModelStudioTenant) -> None:
    """It is found by its description, deleted, and another is created."""
    studio.world.alibaba.lose_answer("modelstudio", "CreateApiKey")
    studio.apply_source()
    studio.apply_key()
    status = studio.ready(seconds=60)
    eventually(lambda: studio.live_keys() == {status["keyId"]}, seconds=20)
    assert len(studio.world.alibaba.calls(service="modelstudio", action="CreateApiKey")) >= 2
    assert studio.ask().ok


def test_a_create_with_a_broken_response_leaves_no_second_key(studio: ModelStudioTenant) -> None:
    """Nothing of the response is repeated, which has the value of the key."""
    studio.world.alibaba.damage_next("modelstudio", "CreateApiKey")
    studio.apply_source()
    studio.apply_key()
    status = studio.ready(seconds=60)
    eventually(lambda: studio.live_keys() == {status["keyId"]}, seconds=20)
    assert studio.ask().ok


def test_keys_of_other_owners_are_left_alone(studio: ModelStudioTenant) -> None:
    """A key made by hand, and one whose description imitates the mark of a grant."""
    cloud = studio.world.alibaba
    cloud.create_model_studio_key(region=REGION)
    imitated = f"keywright {studio.namespace}/chat-key {'0' * 16}.{'1' * 16}.{'2' * 16}"
    cloud.create_model_studio_key(region=REGION, description=imitated)
    studio.key_ready()
    renew(studio, revision=2)
    studio.world.api.delete(studio.grant_path())
    eventually(lambda: len(studio.live_keys()) == 1, seconds=20)
    assert {"made by hand", imitated} <= {each["description"] for each in cloud.model_studio_keys()}


def test_a_written_id_reaches_no_other_key(studio: ModelStudioTenant) -> None:
    """A tenant that writes the ID of another key into its status cannot have it deleted."""
    studio.world.alibaba.create_model_studio_key(region=REGION, description="of another team")
    victim = studio.world.alibaba.model_studio_keys()[-1]
    studio.key_ready()
    forged = {
        "keyId": f"{victim['account']}/{REGION}/{victim['id']}",
        "retireAt": "2020-01-01T00:00:00Z",
    }
    studio.patch(f"{studio.grant_path()}/status", {"status": {"retiring": [forged]}})
    eventually(lambda: not studio.status().get("retiring"), seconds=30)
    studio.world.api.delete(studio.grant_path())
    eventually(lambda: not studio.live_keys(), seconds=20)
    assert victim["id"] in {key["id"] for key in studio.world.alibaba.model_studio_keys()}


def test_no_value_is_in_what_the_operator_writes(studio: ModelStudioTenant) -> None:
    """Neither in grants, sources and Events nor in the annotations of the Secret."""
    studio.key_ready()
    renew(studio, revision=2)
    studio.world.alibaba.damage_next("modelstudio", "CreateApiKey")
    studio.annotate_grant(**{"keywright.dev/renew-requested-at": "2031-01-01T00:00:00Z"})
    studio.revision(3, seconds=60)
    namespace = studio.namespace
    written = [
        studio.world.api.get(f"/apis/keywright.dev/v1alpha1/namespaces/{namespace}/{kind}")
        for kind in ("apikeygrants", "credentialsources")
    ]
    written.append(studio.world.api.get(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"))
    written.append(studio.secret()["metadata"])
    text = json.dumps(written)
    assert "modelStudioKey" in text
    assert [value for value in studio.world.alibaba.secrets() if value in text] == []
