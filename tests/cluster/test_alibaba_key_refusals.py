"""Access keys that Alibaba Cloud does not take, and faults that pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from testbed.world import World
from tests.cluster.alibaba import EVERYTHING, AlibabaTenant
from tests.cluster.alibaba_scene import NOTICED_SECONDS, ROOT, reported, session_of
from tests.cluster.eventually import eventually
from tests.cluster.tenants import condition


@dataclass(frozen=True)
class Mistake:
    """A Secret with one thing wrong in it, or one thing done to its key."""

    reason: str
    says: str
    change: dict[str, str] = field(default_factory=dict)
    done: Callable[[World, str], None] | None = None
    way: str = "accessKey"


def _deactivated(world: World, key_id: str) -> None:
    world.alibaba.set_access_key_active(key_id, active=False)


def _deleted(world: World, key_id: str) -> None:
    world.alibaba.delete_access_key(key_id)


_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"


@pytest.mark.parametrize(
    "mistake",
    [
        Mistake("SignatureDoesNotMatch", "does not belong to the key's id", {_SECRET: "w" * 30}),
        Mistake(
            "InvalidAccessKeyIdNotFound", "put a live one into Secret cloud-key", done=_deleted
        ),
        Mistake("InvalidAccessKeyIdInactive", "Activate the key in RAM", done=_deactivated),
        Mistake("SecretIncomplete", f"has no {_SECRET}", {_SECRET: ""}),
        Mistake("SecretIncomplete", "has no ALIBABA_CLOUD_SECURITY_TOKEN", {}, way="sts"),
        Mistake(
            "InvalidSecurityTokenMalformed",
            "no token of this key",
            {"ALIBABA_CLOUD_SECURITY_TOKEN": "CAISplanted"},
            way="sts",
        ),
    ],
    ids=lambda mistake: f"{mistake.way}-{mistake.reason}",
)
def test_a_key_that_is_not_taken_is_told_and_heals(
    alibaba_tenant: AlibabaTenant, mistake: Mistake
) -> None:
    """Secret, field and remedy; the right key in the Secret heals both within seconds."""
    cloud = alibaba_tenant.world.alibaba
    key = cloud.create_user(name=alibaba_tenant.namespace, policies={"everything": EVERYTHING})
    right = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret_key,
    }
    alibaba_tenant.create_released_secret(name="cloud-key", **{**right, **mistake.change})
    if mistake.done is not None:
        mistake.done(alibaba_tenant.world, key.access_key_id)
    message = reported(
        alibaba_tenant, {mistake.way: {"secretRef": {"name": "cloud-key"}}}, reason=mistake.reason
    )
    assert message.startswith(f"{ROOT}.{mistake.way}.secretRef: ")
    assert mistake.says in message
    assert "w" * 30 not in message
    assert key.secret_key not in message
    if mistake.way == "accessKey":
        fresh = cloud.create_access_key(key.user_arn)
        alibaba_tenant.patch(
            alibaba_tenant.secret_path("cloud-key"),
            {
                "stringData": {
                    "ALIBABA_CLOUD_ACCESS_KEY_ID": fresh.access_key_id,
                    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": fresh.secret_key,
                }
            },
        )
        alibaba_tenant.ready(name="credentials", seconds=NOTICED_SECONDS)
        assert alibaba_tenant.source_reported("Ready", name="alibaba")["identity"] == key.user_arn


def test_a_key_of_a_session_needs_its_token(alibaba_tenant: AlibabaTenant) -> None:
    """MissingSecurityToken: the key of a session stands alone in the Secret."""
    session = session_of(alibaba_tenant)
    del session["ALIBABA_CLOUD_SECURITY_TOKEN"]
    alibaba_tenant.create_secret(name="cloud-key", **session)
    alibaba_tenant.apply(
        alibaba_tenant.alibaba_source(accessKey={"secretRef": {"name": "cloud-key"}}),
        alibaba_tenant.credentials(),
    )
    status = alibaba_tenant.reported("Stalled", reason="MissingSecurityToken", name="credentials")
    message = condition(status, "Stalled")["message"]
    assert message.startswith(f"{ROOT}.accessKey.secretRef: ")
    assert "put its ALIBABA_CLOUD_SECURITY_TOKEN into Secret cloud-key" in message


def test_an_ended_session_is_told(alibaba_tenant: AlibabaTenant) -> None:
    """A static STS token ends without a word; the next call tells it, and a new one heals."""
    session = session_of(alibaba_tenant)
    alibaba_tenant.create_released_secret(name="cloud-key", **session)
    alibaba_tenant.world.alibaba.revoke_session(session["ALIBABA_CLOUD_ACCESS_KEY_ID"])
    sts = {"sts": {"secretRef": {"name": "cloud-key"}}}
    message = reported(alibaba_tenant, sts, reason="InvalidSecurityTokenExpired")
    assert "Its session is over: put a new one into Secret cloud-key" in message
    alibaba_tenant.patch(
        alibaba_tenant.secret_path("cloud-key"),
        {"stringData": session_of(alibaba_tenant, name="again")},
    )
    alibaba_tenant.ready(name="credentials", seconds=NOTICED_SECONDS)


def test_passing_faults_are_tried_again(alibaba_tenant: AlibabaTenant) -> None:
    """Throttling, a 503, a damaged answer and a cut connection cost a moment, and no status."""
    cloud = alibaba_tenant.world.alibaba
    role = alibaba_tenant.create_role()
    cloud.fail_next(
        "sts",
        "AssumeRoleWithOIDC",
        code="Throttling.User",
        message="Request was denied due to user flow control.",
        status=400,
    )
    alibaba_tenant.apply(
        alibaba_tenant.alibaba_source(oidcRoleArn=alibaba_tenant.by_token(role)),
        alibaba_tenant.credentials(),
    )
    alibaba_tenant.ready(name="credentials")
    faults: tuple[tuple[str, Callable[[], None]], ...] = (
        ("20m", lambda: cloud.fail_next("sts", code="Busy", message="Try again.", status=503)),
        ("25m", lambda: cloud.damage_next("sts", "AssumeRoleWithOIDC")),
        ("30m", lambda: cloud.lose_answer("sts", "AssumeRoleWithOIDC")),
    )
    for expiration, fault in faults:
        fault()
        change = {"oidcRoleArn": {"roleSessionExpiration": expiration}}
        alibaba_tenant.patch(
            alibaba_tenant.source_path("alibaba"), {"spec": {"alibabaCloud": change}}
        )
        alibaba_tenant.source_reported("Ready", name="alibaba")
        eventually(lambda: alibaba_tenant.source_status("alibaba").get("failedAttempts", 0) == 0)
