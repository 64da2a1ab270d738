"""Many grants of one source: what they cost the cloud, and how fast a changed key reaches them."""

from __future__ import annotations

import time

import pytest

from tests.cluster.alibaba import EVERYTHING, AlibabaTenant
from tests.cluster.alibaba_scene import NOTICED_SECONDS, Scene
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Document
from tests.cluster.tier import Record

_GRANTS = 500
_OF_A_STATIC_KEY = 50


def _grants(tenant: AlibabaTenant) -> list[Document]:
    path = f"/apis/keywright.dev/v1alpha1/namespaces/{tenant.namespace}/apikeygrants"
    found: list[Document] = tenant.world.api.get(path)["items"]
    return found


def _ready(grant: Document) -> bool:
    conditions = grant.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@pytest.mark.timeout(180)
def test_five_hundred_grants_share_one_session(
    alibaba_tenant: AlibabaTenant, record_property: Record
) -> None:
    """One AssumeRoleWithOIDC for all of them; one more for those that ask for less."""
    tenant, cloud = alibaba_tenant, alibaba_tenant.world.alibaba
    role = tenant.create_role()
    tenant.apply(tenant.alibaba_source(oidcRoleArn=tenant.by_token(role)))
    tenant.source_reported("Ready", name="alibaba")
    began = time.monotonic()
    for number in range(_GRANTS):
        requested = {"duration": "30m"} if number % 2 else {}
        body = tenant.credentials(name=f"credentials-{number}", sessionCredentials=requested)
        tenant.world.api.create(body)
    eventually(lambda: all(map(_ready, _grants(tenant))), seconds=120)
    record_property("500 grants applied and Ready, seconds", round(time.monotonic() - began, 1))
    assert len(_grants(tenant)) == _GRANTS
    names = {grant["status"]["keyId"] for grant in _grants(tenant)}
    assert len(names) == 2
    calls = [
        call
        for call in cloud.calls(service="sts", action="AssumeRoleWithOIDC")
        if call.parameters.get("RoleArn") == role
    ]
    assert sorted(call.parameters["DurationSeconds"] for call in calls) == ["1800", "3600"]


def test_a_changed_access_key_reaches_all_within_seconds(
    alibaba_tenant: AlibabaTenant, record_property: Record
) -> None:
    """Every Secret of the source holds the new key within five seconds of the edit."""
    tenant, cloud = alibaba_tenant, alibaba_tenant.world.alibaba
    first = cloud.create_user(name=tenant.namespace, policies={"everything": EVERYTHING})
    second = cloud.create_access_key(first.user_arn)

    def variables(key_id: str, secret: str) -> dict[str, str]:
        return {"ALIBABA_CLOUD_ACCESS_KEY_ID": key_id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret}

    tenant.create_secret(name="cloud-key", **variables(first.access_key_id, first.secret_key))
    tenant.apply(tenant.alibaba_source(accessKey={"secretRef": {"name": "cloud-key"}}))
    for number in range(_OF_A_STATIC_KEY):
        tenant.world.api.create(tenant.credentials(name=f"credentials-{number}"))
    eventually(lambda: all(map(_ready, _grants(tenant))))
    began = time.monotonic()
    changed = variables(second.access_key_id, second.secret_key)
    tenant.patch(tenant.secret_path("cloud-key"), {"stringData": changed})
    eventually(
        lambda: {g["status"].get("keyId") for g in _grants(tenant)} == {second.access_key_id},
        seconds=NOTICED_SECONDS,
    )
    took = time.monotonic() - began
    record_property("a changed access key in 50 Secrets, seconds", round(took, 2))
    for number in range(_OF_A_STATIC_KEY):
        data = tenant.data(f"credentials-{number}")
        assert data["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] == second.secret_key
    assert took < NOTICED_SECONDS


def test_a_key_that_changes_while_no_operator_runs_is_noticed_at_its_start(
    scene: Scene, alibaba_tenant: AlibabaTenant
) -> None:
    """Credentials without an end have no renewal: the start compares them with what is handed on.

    Nothing is written where they are the same.
    """
    tenant, cloud = alibaba_tenant, alibaba_tenant.world.alibaba
    user = cloud.create_user(name=tenant.namespace, policies={"everything": EVERYTHING})
    fresh = cloud.create_access_key(user.user_arn)
    for name in ("changed", "same"):
        tenant.create_secret(
            name=f"{name}-key",
            ALIBABA_CLOUD_ACCESS_KEY_ID=user.access_key_id,
            ALIBABA_CLOUD_ACCESS_KEY_SECRET=user.secret_key,
        )
        tenant.create_released_secret(
            name=f"{name}-token", ALIBABA_CLOUD_BEARER_TOKEN=f"first-{name}"
        )
        bearer = tenant.credentials(name=f"{name}-bearer", source=f"{name}-bearer")
        del bearer["spec"]["sessionCredentials"]
        bearer["spec"]["bearerToken"] = {}
        tenant.apply(
            tenant.alibaba_source(name=name, accessKey={"secretRef": {"name": f"{name}-key"}}),
            tenant.alibaba_source(
                name=f"{name}-bearer", bearer={"secretRef": {"name": f"{name}-token"}}
            ),
            tenant.credentials(name=name, source=name),
            bearer,
        )
        tenant.ready(name=name)
        tenant.ready(name=f"{name}-bearer")
        tenant.source_reported("Ready", name=name)
    eventually(lambda: tenant.source_status("same-bearer").get("grants") == 1)
    same = [
        (tenant.secret(name)["metadata"]["resourceVersion"], tenant.status(name))
        for name in ("same", "same-bearer")
    ]
    scene.operator.stop()
    key = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": fresh.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": fresh.secret_key,
    }
    tenant.patch(tenant.secret_path("changed-key"), {"stringData": key})
    token = {"ALIBABA_CLOUD_BEARER_TOKEN": "second-changed"}
    tenant.patch(tenant.secret_path("changed-token"), {"stringData": token})
    scene.operator.start()
    tenant.revision(2, name="changed")
    tenant.revision(2, name="changed-bearer")
    data = tenant.data("changed")
    assert data["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] == fresh.secret_key
    assert tenant.data("changed-bearer")["Authorization"] == "second-changed"
    assert same == [
        (tenant.secret(name)["metadata"]["resourceVersion"], tenant.status(name))
        for name in ("same", "same-bearer")
    ]
