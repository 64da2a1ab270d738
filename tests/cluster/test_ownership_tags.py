"""Grant id and cluster id in the cloud: tagged after an upgrade, and what they say of strays."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from keywright.secrets.proofs import Prover
from testbed.clouds.aws.cloud import ACCOUNT
from testbed.operators import NAMESPACE, OperatorProcess
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.gateway import PARTNER, REGION, GatewayTenant, gateway_tenants
from tests.cluster.long_term import tenants
from tests.cluster.restores import GATEWAY, LONG, Row, without_server_fields
from tests.cluster.restores import Stage as Stages
from tests.cluster.second_cluster import TAKE_OVER, cluster_id, restored_into, second_cluster
from tests.cluster.tenants import Document, condition
from tests.cluster.test_keys_are_looked_up import AnyTenant, assert_well, events, ready
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long
_OPTIONS = (*DEBUG, "--verify-spread=1s", "--cloud-delay-scale=0.02")
_OURS = ("keywright.dev/grant-id", "keywright.dev/cluster-id", "keywright.dev/key-ids")
_CREATED = "keywright.dev/created"
_KEY = f"/api/v1/namespaces/{NAMESPACE}/secrets/keywright-fingerprint-key"
_KINDS = ("bedrockLongTermKey", "apiGatewayKey")
Stage = tuple[World, OperatorProcess]


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[Stage]:
    """A world of its own, whose operator may be stopped."""
    with make_world() as world:
        operator = world.operator(arguments=_OPTIONS, fork="keywright")
        operator.start()
        yield world, operator


@pytest.fixture(params=_KINDS)
def tenant(request: pytest.FixtureRequest, stage: Stage) -> Iterator[AnyTenant]:
    """A namespace for grants of one kind."""
    world, _ = stage
    made: Iterator[Callable[[], AnyTenant]] = (
        tenants(world, name="tagged")
        if request.param == "bedrockLongTermKey"
        else gateway_tenants(world, name="tagged")
    )
    yield next(made)()
    next(made, None)


def tags(tenant: AnyTenant) -> dict[str, str]:
    """The tags of the grant's only key, or of its user."""
    if isinstance(tenant, GatewayTenant):
        (key,) = tenant.made_keys()
        found: dict[str, str] = key["tags"]
        return found
    user = tenant.iam.get_user(UserName=tenant.user)["User"]
    return {tag["Key"]: tag["Value"] for tag in user["Tags"]}


def untag(tenant: AnyTenant) -> None:
    """As a version left them that did not know the tags."""
    if isinstance(tenant, GatewayTenant):
        for path, things in (("apikeys", tenant.made_keys()), ("usageplans", tenant.plans())):
            every = things.values() if isinstance(things, dict) else things
            for thing in every:
                arn = f"arn:aws:apigateway:{REGION}::/{path}/{thing['id']}"
                tenant.gateway.untag_resource(resourceArn=arn, tagKeys=list(_OURS))
        return
    tenant.iam.untag_user(UserName=tenant.user, TagKeys=[*_OURS, _CREATED])


def as_before(tenant: AnyTenant, status: Document) -> None:
    """Tags, Secret and status of a version from before grant ids, with the proofs that it made."""
    untag(tenant)
    key = base64.b64decode(tenant.world.api.get(_KEY)["data"]["key"])
    uid = tenant.grant()["metadata"]["uid"]
    prover = Prover(key, tenant.namespace, PARTNER, uids=(uid,))
    proof = prover.of_key(status["keyId"])
    left = ("grant-id", "cluster-id", "grant-proof")
    annotations: dict[str, Any] = {f"keywright.dev/{name}": None for name in left}
    annotations["keywright.dev/key-proof"] = proof
    body = tenant.secret()
    held = body["metadata"]["annotations"] | annotations
    body["metadata"]["annotations"] = {k: v for k, v in held.items() if v is not None}
    # By the operator's field manager, so that nothing looks edited.
    applied = without_server_fields(body) | {"apiVersion": "v1", "kind": "Secret"}
    tenant.world.api.apply(applied, manager="keywright")
    gone = dict.fromkeys(("grantId", "clusterId", "objectUid", "grantProof"))
    tenant.patch(f"{tenant.grant_path()}/status", {"status": {**gone, "keyProof": proof}})


def test_keys_from_before_the_tags_get_them(stage: Stage, tenant: AnyTenant) -> None:
    """After an upgrade: nothing is issued, and no Secret is written."""
    world, operator = stage
    first = ready(tenant)
    operator.kill()
    as_before(tenant, first)
    secret = tenant.secret()["metadata"]["resourceVersion"]
    assert _OURS[1] not in tags(tenant)
    calls = len(world.aws.calls())
    operator.start()
    eventually(lambda: tags(tenant).get(_OURS[1]) == cluster_id(world), seconds=40)
    after = tenant.reported("Ready", and_=lambda status: "grantId" in status)
    assert tags(tenant)[_OURS[0]] == after["grantId"] == tenant.grant()["metadata"]["uid"]
    assert after["keyId"] == first["keyId"]
    assert tenant.secret()["metadata"]["resourceVersion"] == secret
    made = {"CreateServiceSpecificCredential", "CreateApiKey"}
    assert made.isdisjoint(call.action for call in world.aws.calls()[calls:])
    assert_well(tenant, after)


def test_keys_that_a_restore_has_left_are_removed(stage: Stage, tenant: AnyTenant) -> None:
    """A backup from before a rotation whose old key still exists: no annotation names the new."""
    _, operator = stage
    first = restore_old(operator, tenant)
    operator.start()
    after = tenant.reported("Ready", seconds=60, and_=lambda status: "objectUid" in status)
    assert after["keyId"] == first["keyId"]
    assert_well(tenant, after)


def test_keys_that_a_restore_has_left_go_with_the_grant(stage: Stage, tenant: AnyTenant) -> None:
    """Also where it is deleted before an operator has looked at it."""
    world, operator = stage
    restore_old(operator, tenant)
    tenant.patch(tenant.grant_path(), {"metadata": {"finalizers": ["keywright.dev/revoke"]}})
    world.api.delete(tenant.grant_path())
    operator.start()
    eventually(lambda: not world.api.exists(tenant.grant_path()), seconds=60)
    assert tenant.leftovers() == []


@pytest.mark.parametrize("suspended", [False, True])
def test_a_key_that_was_retained_is_left_to_its_owner(
    tenant: AnyTenant, *, suspended: bool
) -> None:
    """A later grant of the same name does not take it for one that a restore has left.

    A suspended grant sets the tag when it is deleted.
    """
    plan = tenant.made_plan() if isinstance(tenant, GatewayTenant) else {}
    first = tenant.key_ready(**plan)
    tenant.edit_grant(deletionPolicy="Retain", suspend=suspended)
    if suspended:
        tenant.reported("Ready", reason="Suspended")
    else:
        tenant.ready()
    tenant.world.api.delete(tenant.grant_path())
    for path in (tenant.grant_path(), tenant.secret_path()):
        eventually(lambda path=path: not tenant.world.api.exists(path), seconds=40)  # type: ignore[misc]
    second = tenant.key_ready(**plan)
    assert second["keyId"] != first["keyId"]
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})
    if isinstance(tenant, GatewayTenant):
        tenant.rotated(2)
    else:
        # IAM has no room for a third key, and this one is not the grant's to remove.
        message = condition(
            tenant.reported("RenewalFailing", reason="KeyLimitReached"), "RenewalFailing"
        )["message"]
        assert first["keyId"] in message
    assert first["keyId"] in tenant.live_keys()


def test_a_take_over_without_the_fingerprint_key(stage: Stage, make_world: MakeWorld) -> None:
    """What was restored proves nothing: the tags decide, and IAM's key is issued again."""
    world, _ = stage
    scene = Stages.of(world)
    cells = [scene.cell(kind, "moved") for kind in (LONG, GATEWAY)]
    for cell in cells:
        cell.apply()
    for cell in cells:
        cell.ready()
        cell.back_up()
    with second_cluster(make_world, world, with_key=False) as second:
        moved = [restored_into(second, cell, Row("moved")) for cell in cells]
        second.operator(identity="keywright-second", arguments=_OPTIONS, fork="keywright").start()
        for cell in moved:
            cell.tenant.reported(
                "Stalled", reason="OwnedByAnotherCluster", name=cell.name, seconds=40
            )
            assert cell.keys() == cells[moved.index(cell)].backed_up
            cell.tenant.annotate_grant(name=cell.name, **{TAKE_OVER: cluster_id(world)})
        for cell in moved:
            eventually(lambda cell=cell: not cell.problem(), seconds=60, reported=cell.problem)  # type: ignore[misc]
            assert cell.works()
        issued = [
            len(each.keys() - cell.backed_up) for each, cell in zip(moved, cells, strict=True)
        ]
        assert issued == [1, 0]


def restore_old(operator: OperatorProcess, tenant: AnyTenant) -> Document:
    """The status of the key that is restored, by Secret and grant alone; no operator runs then."""
    plan = tenant.made_plan() if isinstance(tenant, GatewayTenant) else {}
    first = tenant.key_ready(overlap="15s", **plan)
    secret, grant = tenant.secret(), tenant.grant()
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})
    tenant.revision(2)
    assert len(tenant.live_keys()) == 2
    operator.kill()
    api = tenant.world.api
    tenant.patch(tenant.grant_path(), {"metadata": {"finalizers": None}})
    api.delete(tenant.grant_path())
    for path in (tenant.grant_path(), tenant.secret_path()):
        eventually(lambda path=path: not api.exists(path), seconds=40)  # type: ignore[misc]
    body = without_server_fields(secret)
    del body["metadata"]["ownerReferences"]
    api.create(body)
    api.create(without_server_fields(grant))
    return first


def test_a_disabled_key_survives_the_loss_of_the_status(stage: Stage) -> None:
    """With `enabled: false` an inactive key is as the grant wants it, and not lost."""
    world, operator = stage
    tenant = next(gateway_tenants(world, name="disabled"))()
    first = tenant.key_ready(enabled=False, **tenant.made_plan())
    operator.kill()
    path = f"{tenant.grant_path()}/status"
    tenant.patch(path, {"status": dict.fromkeys(tenant.grant()["status"])})
    operator.start()
    after = tenant.reported("Ready", seconds=60, and_=lambda status: "objectUid" in status)
    assert after["keyId"] == first["keyId"]
    assert tenant.live_keys() == {first["keyId"]}
    assert events(tenant, "KeyLost") == []


def test_a_forged_annotation_names_no_key_of_another_cluster(stage: Stage) -> None:
    """Nor does the grant id of that key: it is neither used nor removed, also by a deletion."""
    world, _ = stage
    tenant = next(gateway_tenants(world, name="forged"))()
    plan = tenant.plan()
    theirs = tenant.foreign_key(
        plan,
        tags={
            "keywright.dev/grant": f"{tenant.namespace}/{PARTNER}",
            "keywright.dev/grant-id": "theirs",
            "keywright.dev/cluster-id": "their-cluster",
        },
    )
    tenant.key_ready(usagePlan={"id": plan})
    forged = {
        "keywright.dev/key-id": f"{ACCOUNT}/{REGION}/{theirs}",
        "keywright.dev/replaces-key-id": f"{ACCOUNT}/{REGION}/{theirs}",
        "keywright.dev/grant-id": "theirs",
    }
    tenant.patch(tenant.secret_path(), {"metadata": {"annotations": forged}})
    tenant.patch(
        f"{tenant.grant_path()}/status",
        {"status": {"keyId": forged["keywright.dev/key-id"], "revision": 9}},
    )
    reported = tenant.reported("Stalled", reason="OwnedByAnotherCluster", seconds=40)
    assert "their-cluster" not in condition(reported, "Stalled")["message"]
    tenant.delete()
    assert tenant.gateway.get_api_key(apiKey=theirs)["enabled"]
    assert theirs in tenant.plan_keys(plan)
