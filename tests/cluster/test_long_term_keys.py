"""Bedrock long-term keys, from apply to what is left in the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.operators import OperatorProcess
from testbed.readers import PollingReader
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import BOUNDARY, LIMITED, LongTermTenant, short, tenants
from tests.cluster.tenants import GRANT, KEY, condition
from tests.cluster.test_telemetry import samples

_ANSWER_LOST = 40.0
_CLIENTS = ("boto3-converse", "openai-chat")
_DELETED = 6
_GONE = 5


@pytest.fixture
def make_tenant(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Callable[[], LongTermTenant]]:
    """Namespaces whose grants are long-term keys."""
    assert operator.process.exit_code is None
    yield from tenants(world, name=short(request))


@pytest.fixture
def tenant(make_tenant: Callable[[], LongTermTenant]) -> LongTermTenant:
    """One of them."""
    return make_tenant()


def renew(tenant: LongTermTenant, *, revision: int) -> None:
    """Ask for a new key, and return when it is there."""
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})
    tenant.revision(revision)


def test_a_key_is_made_used_and_revoked(tenant: LongTermTenant) -> None:
    """Apply to Ready with the rights of the example alone; deleted, nothing is left."""
    status = tenant.key_ready()
    assert tenant.listed() == {status["keyId"]: "Active"}
    assert tenant.works()
    user = tenant.iam.get_user(UserName=tenant.user)["User"]
    assert user["Path"] == "/keywright/"
    assert {"Key": "keywright.dev/grant", "Value": f"{tenant.namespace}/chat-key"} in user["Tags"]
    attached = tenant.iam.list_attached_user_policies(UserName=tenant.user)["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [LIMITED]
    tenant.world.api.delete(tenant.grant_path())
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()))
    assert not tenant.has_user()


def test_deleted_grants_leave_no_series(
    operator: OperatorProcess, make_tenant: Callable[[], LongTermTenant]
) -> None:
    """Within seconds each time, even if the watch reports the deletion before our own write."""
    made = [make_tenant() for _ in range(_DELETED)]
    for tenant in made:
        tenant.key_ready()
    for tenant in made:
        tenant.world.api.delete(tenant.grant_path())
    eventually(lambda: not any(each.world.api.exists(each.grant_path()) for each in made))
    eventually(
        lambda: (
            not any(
                # The source of the grant is still there, with series of its own.
                not name.startswith("keywright_source_")
                for each in made
                for name in samples(operator, namespace=each.namespace)
            )
        ),
        seconds=_GONE,
    )


def test_three_rotations_while_readers_call(tenant: LongTermTenant, tmp_path: Path) -> None:
    """The old key is valid during the overlap, is then deactivated, and later deleted.

    boto3 and openai take turns in a process of their own all the while, without one refusal.
    """
    tenant.key_ready(overlap="5s")
    reader = PollingReader(
        tmp_path,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=GRANT,
        cloud_environment=tenant.world.aws.client_environment(),
        clients=_CLIENTS,
    )
    with reader:
        for revision in (2, 3, 4):
            old = tenant.data()
            before = tenant.status()["keyId"]
            renew(tenant, revision=revision)
            assert tenant.data()[KEY] != old[KEY]
            eventually(lambda gone=before: gone not in tenant.listed())  # type: ignore[misc]
            assert not tenant.works(old)
            eventually(lambda: not tenant.status().get("retiring"))
        reader.wait_until(
            lambda seen: {each.client for each in seen if each.revision == "4"} == set(_CLIENTS),
            seconds=60,
        )
    assert reader.failures() == []
    assert list(tenant.listed()) == [tenant.ready()["keyId"]]
    updates = tenant.world.aws.calls(service="iam", action="UpdateServiceSpecificCredential")
    ours = [call for call in updates if call.parameters.get("UserName") == tenant.user]
    assert [call.parameters["Status"] for call in ours] == ["Inactive"] * 3


def test_retain_leaves_everything(tenant: LongTermTenant) -> None:
    """With deletionPolicy Retain the key outlives its grant."""
    status = tenant.key_ready()
    data = tenant.data()
    tenant.edit_grant(deletionPolicy="Retain")
    tenant.ready()
    tenant.world.api.delete(tenant.grant_path())
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()))
    assert tenant.listed() == {status["keyId"]: "Active"}
    assert tenant.works(data)


def test_two_unknown_keys_are_left_alone(tenant: LongTermTenant) -> None:
    """Stalled with their ids and nothing deleted; with `exclusive` the older one makes room."""
    tenant.iam.create_user(UserName=tenant.user, Path="/keywright/")
    tenant.iam.attach_user_policy(UserName=tenant.user, PolicyArn=LIMITED)
    older, newer = tenant.foreign_key(), tenant.foreign_key()
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key(user={"name": tenant.user, "create": False})
    message = condition(tenant.reported("Stalled", reason="KeyLimitReached"), "Stalled")["message"]
    assert older in message
    assert newer in message
    assert set(tenant.listed()) == {older, newer}
    tenant.edit_grant(bedrockLongTermKey={"exclusive": True})
    ours = tenant.ready()["keyId"]
    assert set(tenant.listed()) == {newer, ours}
    assert tenant.works()


def test_a_user_of_somebody_else_is_not_taken_over(tenant: LongTermTenant) -> None:
    """With `create` a user that lacks our tag is refused, and its policies are untouched."""
    tenant.iam.create_user(UserName=tenant.user, Path="/keywright/")
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key()
    message = condition(tenant.reported("Stalled", reason="UserNotOurs"), "Stalled")["message"]
    assert "create to false" in message
    assert tenant.listed() == {}


def test_a_restore_without_status_makes_no_key(
    tenant: LongTermTenant, operator: OperatorProcess
) -> None:
    """Grant and Secret applied again under other uids: the key id comes from the Secret."""
    status = tenant.key_ready()
    secret, grant = tenant.secret(), tenant.grant()
    operator.kill()
    api = tenant.world.api
    tenant.patch(tenant.grant_path(), {"metadata": {"finalizers": None}})
    api.delete(tenant.grant_path())
    eventually(lambda: not api.exists(tenant.grant_path()))
    if api.exists(tenant.secret_path()):
        api.delete(tenant.secret_path())
    for body in (secret, grant):
        kept = {k: v for k, v in body["metadata"].items() if k in _RESTORED}
        api.create({k: v for k, v in body.items() if k != "status"} | {"metadata": kept})
    operator.start()
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (status["keyId"], status["revision"])
    assert tenant.listed() == {status["keyId"]: "Active"}
    assert tenant.works()


_RESTORED = {"name", "namespace", "labels", "annotations"}


def test_edited_policies_leave_the_key(tenant: LongTermTenant) -> None:
    """Policies, tags, CIDRs and the end change in the cloud; the Secret is not written."""
    status = tenant.key_ready()
    before = tenant.secret()["metadata"]["resourceVersion"]
    tenant.edit_grant(
        bedrockLongTermKey={
            "user": {"tags": {"team": "chat"}},
            "policyArns": [],
            "inlinePolicies": {"only": {"Version": "2012-10-17", "Statement": [_ASK]}},
            "allowedSourceCidrs": ["127.0.0.0/8"],
            "notAfter": "2099-01-01T00:00:00Z",
        }
    )
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (status["keyId"], 1)
    assert tenant.secret()["metadata"]["resourceVersion"] == before
    iam, user = tenant.iam, {"UserName": tenant.user}
    assert iam.list_attached_user_policies(**user)["AttachedPolicies"] == []
    names = iam.list_user_policies(**user)["PolicyNames"]
    assert sorted(names) == ["keywright-restrictions", "only"]
    assert {"Key": "team", "Value": "chat"} in iam.get_user(**user)["User"]["Tags"]
    assert tenant.works()
    tenant.edit_grant(bedrockLongTermKey={"allowedSourceCidrs": ["10.0.0.0/8"]})
    tenant.ready()
    assert not tenant.works()


def test_user_and_key_are_as_the_grant_says(tenant: LongTermTenant) -> None:
    """Path, tags and boundary of the user, the key's own end and its rotation, where it is used."""
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/{BOUNDARY}"
    status = tenant.key_ready(
        user={
            "name": tenant.user,
            "path": "/keywright/team/",
            "tags": {"team": "chat"},
            "permissionsBoundary": boundary,
        },
        expiresAfterDays=30,
        rotateEvery="10d",
        region="eu-central-1",
        endpoint="Mantle",
    )
    user = tenant.iam.get_user(UserName=tenant.user)["User"]
    assert user["Path"] == "/keywright/team/"
    assert {"Key": "team", "Value": "chat"} in user["Tags"]
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    issued, ends, renews = (
        datetime.fromisoformat(status[name]) for name in ("issuedAt", "expiresAt", "renewAt")
    )
    assert abs(ends - issued - timedelta(days=30)) < timedelta(minutes=1)
    assert timedelta(days=9) < renews - issued <= timedelta(days=10)
    data = tenant.data()
    assert data["AWS_REGION"] == "eu-central-1"
    assert data["OPENAI_BASE_URL"] == "https://bedrock-mantle.eu-central-1.api.aws/v1"


_ASK = {
    "Effect": "Allow",
    "Action": ["bedrock:CallWithBearerToken", "bedrock:InvokeModel"],
    "Resource": "*",
}


def test_another_user_gets_another_key(tenant: LongTermTenant) -> None:
    """What the key is has changed: a new one, and the old one goes with its user."""
    first, old_user = tenant.key_ready()["keyId"], tenant.user
    tenant.edit_grant(bedrockLongTermKey={"user": {"name": f"{old_user}-b"}})
    second = tenant.revision(2)["keyId"]
    assert second != first
    assert list(tenant.listed(f"{old_user}-b")) == [second]
    eventually(lambda: not tenant.has_user(old_user))
    assert tenant.works()


def test_an_answer_that_is_lost_is_an_unknown(tenant: LongTermTenant) -> None:
    """If the response of a create was lost, its key is removed, and another is created."""
    tenant.world.aws.damage_next("iam", "CreateServiceSpecificCredential")
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key()
    status = tenant.ready(seconds=_ANSWER_LOST)
    assert tenant.listed() == {status["keyId"]: "Active"}
    assert status["revision"] == 1
    assert tenant.works()
    creates = tenant.world.aws.calls(service="iam", action="CreateServiceSpecificCredential")
    assert len([call for call in creates if call.parameters["UserName"] == tenant.user]) == 2


def test_a_user_that_is_not_shown_at_once_is_waited_for(tenant: LongTermTenant) -> None:
    """IAM lags: nothing is made twice while it does not show what was made."""
    tenant.world.aws.new_keys_fail_for(4, listed=False)
    tenant.apply_source(sessionDuration=None)
    tenant.apply_key()
    status = tenant.ready(seconds=_ANSWER_LOST)
    eventually(lambda: list(tenant.listed()) == [status["keyId"]])
    eventually(tenant.works)


def test_a_lost_secret_costs_a_key_and_leaves_none(tenant: LongTermTenant) -> None:
    """A Secret that is deleted by hand: a new key, and the old one goes after the overlap."""
    tenant.key_ready()
    tenant.world.api.delete(tenant.secret_path())
    status = tenant.revision(2)
    eventually(lambda: tenant.listed() == {status["keyId"]: "Active"})
    assert tenant.works()


def test_a_changed_layout_leaves_the_key(tenant: LongTermTenant) -> None:
    """A key that can be had once is read back from its Secret."""
    before = tenant.key_ready()
    tenant.edit_grant(secret={"formats": ["ApiKey"], "data": {"ID": "${keyId}"}})
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (before["keyId"], 1)
    assert tenant.data()["ID"] == before["keyId"]


@pytest.mark.parametrize("create", [True, False])
def test_a_key_from_before_the_proofs_is_proved_when_it_is_replaced(
    tenant: LongTermTenant, *, create: bool
) -> None:
    """By the tag of its user, or by its value, whose alias IAM lists; nothing is written before."""
    if create:
        first = tenant.key_ready()
    else:
        tenant.iam.create_user(UserName=tenant.user, Path="/keywright/")
        tenant.iam.attach_user_policy(UserName=tenant.user, PolicyArn=LIMITED)
        first = tenant.key_ready(user={"name": tenant.user, "create": False})
    proof = {"metadata": {"annotations": {"keywright.dev/key-proof": None}}}
    tenant.patch(tenant.secret_path(), proof)
    tenant.patch(f"{tenant.grant_path()}/status", {"status": {"keyProof": None}})
    renew(tenant, revision=2)
    assert tenant.status()["keyProof"] != first["keyProof"]
    eventually(lambda: list(tenant.listed()) == [tenant.status()["keyId"]])
    assert tenant.status()["keyId"] != first["keyId"]
    assert tenant.works()


def test_a_namespace_goes_with_its_keys(tenant: LongTermTenant) -> None:
    """Source and ServiceAccount go first: the session at hand revokes, and nothing hangs."""
    tenant.key_ready()
    namespace = f"/api/v1/namespaces/{tenant.namespace}"
    for path in (tenant.source_path(), f"{namespace}/serviceaccounts/chat-bedrock"):
        tenant.world.api.delete(path)
    eventually(lambda: not tenant.world.api.exists(tenant.source_path()))
    tenant.world.api.delete(namespace)
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()))
    assert not tenant.has_user()


def test_an_end_that_cannot_be_had_is_told(
    tenant: LongTermTenant, operator: OperatorProcess
) -> None:
    """After bounded tries the grant goes; Event, metric and log name what is left."""
    left = tenant.key_ready()["keyId"]
    tenant.world.aws.put_role_policy(
        role=tenant.role, name="permissions", document=_NOTHING_ALLOWED
    )
    tenant.world.api.delete(tenant.grant_path())
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()), seconds=90)
    eventually(lambda: left in operator.log.read_text())
    metric = 'keywright_orphaned_credentials{kind="bedrockLongTermKey"} '
    eventually(lambda: metric in operator.get("/metrics"))
    assert left in tenant.listed()


_NOTHING_ALLOWED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
}
