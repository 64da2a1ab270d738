"""A key id on a Secret is believed only when the cloud shows the key, for each kind of key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.gateway import REGION, GatewayTenant
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import GRANT, Document, Tenant

# Restored as a backup tool does: without what the API server fills in.
_RESTORED = {"name", "namespace", "labels", "annotations"}
# A fresh key may be missing from a listing for 18 s here (two minutes, scaled).
_SECONDS = 60.0
_KINDS = ("bedrockLongTermKey", "apiGatewayKey")
AnyTenant = LongTermTenant | GatewayTenant


@pytest.fixture(params=_KINDS)
def tenant(
    request: pytest.FixtureRequest,
    world: World,
    operator: OperatorProcess,
    new_gateway_tenant: Callable[[], GatewayTenant],
) -> Iterator[AnyTenant]:
    """A namespace for grants of one kind."""
    assert operator.process.exit_code is None
    if request.param == "apiGatewayKey":
        yield new_gateway_tenant()
        return
    made = tenants(world, name="looked-up")
    yield next(made)()
    next(made, None)


def ready(tenant: AnyTenant) -> Document:
    """Source and grant, applied; its status."""
    if isinstance(tenant, GatewayTenant):
        return tenant.key_ready(**tenant.made_plan())
    return tenant.key_ready()


def renewed(tenant: AnyTenant, revision: int, *, secret: str = GRANT) -> Document:
    """The status once a renewal was asked for, made, and the old key is gone."""
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})
    return settled(tenant, revision, secret=secret)


def settled(tenant: AnyTenant, revision: int, *, but: str = "", secret: str = GRANT) -> Document:
    """The status of at least that revision, by another key than that one, without an old key.

    All the while the cloud has a key.
    """

    def alone(status: Document) -> bool:
        assert tenant.live_keys()
        return (
            status.get("revision", 0) >= revision
            and status.get("keyId") != but
            and status.get("secretName") == secret
            and not status.get("retiring")
        )

    return tenant.reported("Ready", seconds=_SECONDS, and_=alone)


def restored(body: Document) -> Document:
    """An object as a backup tool creates it again."""
    kept = {k: v for k, v in body["metadata"].items() if k in _RESTORED}
    return {k: v for k, v in body.items() if k != "status"} | {"metadata": kept}


def assert_well(tenant: AnyTenant, status: Document) -> None:
    """The Secret holds the one key that the cloud has, and it works."""
    eventually(lambda: tenant.live_keys() == {status["keyId"]}, seconds=_SECONDS)
    annotations = tenant.secret()["metadata"]["annotations"]
    assert annotations["keywright.dev/key-id"] == status["keyId"]
    assert tenant.works()


def events(tenant: Tenant, reason: str) -> list[str]:
    """The messages of the Events of the namespace."""
    found = tenant.world.api.get(f"/apis/events.k8s.io/v1/namespaces/{tenant.namespace}/events")
    return [item["note"] for item in found["items"] if item["reason"] == reason]


def test_a_name_that_is_changed_back_serves_a_living_key(tenant: AnyTenant) -> None:
    """Case 03: the Secret of the former name holds a key that was retired meanwhile."""
    first = ready(tenant)
    # Without that the Secret is cleared, and holds no key at all.
    tenant.edit_grant(secret={"name": "another-name", "formerSecretPolicy": "Retain"})
    moved = tenant.reported("Ready", and_=lambda status: status["secretName"] == "another-name")
    second = renewed(tenant, moved["revision"] + 1, secret="another-name")
    assert tenant.live_keys() == {second["keyId"]}
    tenant.edit_grant(secret={"name": GRANT})
    after = settled(tenant, second["revision"], but=first["keyId"])
    assert_well(tenant, after)
    assert first["keyId"] in events(tenant, "KeyLost")[0]


def test_an_old_secret_that_is_put_back_is_replaced(tenant: AnyTenant) -> None:
    """Case 04: the grant goes on from the key that the status knows."""
    first = ready(tenant)
    saved = restored(tenant.secret())
    second = renewed(tenant, 2)
    tenant.world.api.delete(tenant.secret_path())
    tenant.world.api.apply(saved)
    after = settled(tenant, 3, but=first["keyId"])
    assert_well(tenant, after)
    if isinstance(tenant, GatewayTenant):
        assert after["keyId"] == second["keyId"], "API Gateway tells the value of a living key"


def test_a_secret_that_outlived_its_key_is_replaced(tenant: AnyTenant) -> None:
    """Case 05: grant and Secret restored after the grant was deleted, and the key with it."""
    first = ready(tenant)
    secret, grant = restored(tenant.secret()), restored(tenant.grant())
    api = tenant.world.api
    api.delete(tenant.grant_path())
    eventually(lambda: not api.exists(tenant.grant_path()), seconds=40)
    assert not tenant.live_keys()
    if api.exists(tenant.secret_path()):
        api.delete(tenant.secret_path())
    api.create(secret)
    api.create(grant)
    after = tenant.reported(
        "Ready", seconds=_SECONDS, and_=lambda status: status.get("keyId") != first["keyId"]
    )
    assert_well(tenant, after)


def test_an_edit_notices_that_the_key_was_deleted(tenant: AnyTenant) -> None:
    """Case 15: reported, and issued again; an API Gateway key with the value that partners have."""
    first, data = ready(tenant), tenant.data()
    delete_by_hand(tenant, first["keyId"])
    if isinstance(tenant, GatewayTenant):
        tenant.edit_key(description="edited")
    else:
        tenant.edit_grant(bedrockLongTermKey={"user": {"tags": {"team": "chat"}}})
    after = tenant.reported(
        "Ready", seconds=_SECONDS, and_=lambda status: status.get("keyId") != first["keyId"]
    )
    assert_well(tenant, after)
    assert first["keyId"] in events(tenant, "KeyLost")[0]
    if isinstance(tenant, GatewayTenant):
        assert tenant.data() == data


@pytest.mark.parametrize("tenant", ["apiGatewayKey"], indirect=True)
def test_a_key_whose_tags_were_removed_is_still_the_grants(tenant: AnyTenant) -> None:
    """The proof of its id decides: it is tagged again, rotated and deleted."""
    assert isinstance(tenant, GatewayTenant)
    first = ready(tenant)
    replace_tags(tenant, first["keyId"], {})
    tenant.edit_key(description="edited")
    eventually(lambda: tenant.live_keys() == {first["keyId"]}, seconds=_SECONDS)
    assert tenant.reported("Ready")["keyId"] == first["keyId"]
    assert events(tenant, "KeyLost") == []
    replace_tags(tenant, first["keyId"], {})
    tenant.delete()
    assert first["keyId"].rpartition("/")[2] not in {key["id"] for key in every_key(tenant)}


@pytest.mark.parametrize("tenant", ["apiGatewayKey"], indirect=True)
def test_a_key_that_another_grant_is_said_to_own_is_reported(tenant: AnyTenant) -> None:
    """It is not deleted with the grant, and does not stay without a word."""
    assert isinstance(tenant, GatewayTenant)
    first = ready(tenant)
    replace_tags(tenant, first["keyId"], {"keywright.dev/grant": "other/grant"})
    tenant.delete()
    left = eventually(lambda: events(tenant, "CredentialsOrphaned"), seconds=_SECONDS)
    assert first["keyId"] in left[0]


def every_key(tenant: GatewayTenant) -> list[Document]:
    """All keys of the account, whatever their tags."""
    found: list[Document] = tenant.gateway.get_api_keys(limit=500)["items"]
    return found


def replace_tags(tenant: GatewayTenant, key_id: str, tags: dict[str, str]) -> None:
    """An administrator removes all tags of the key, and sets others."""
    name = key_id.rpartition("/")[2]
    arn = f"arn:aws:apigateway:{REGION}::/apikeys/{name}"
    held = tenant.gateway.get_api_key(apiKey=name)["tags"]
    tenant.gateway.untag_resource(resourceArn=arn, tagKeys=list(held))
    if tags:
        tenant.gateway.tag_resource(resourceArn=arn, tags=tags)


def delete_by_hand(tenant: AnyTenant, key_id: str) -> None:
    """An administrator deletes the key in the cloud."""
    name = key_id.rpartition("/")[2]
    if isinstance(tenant, GatewayTenant):
        tenant.gateway.delete_api_key(apiKey=name)
    else:
        tenant.iam.delete_service_specific_credential(
            UserName=tenant.user, ServiceSpecificCredentialId=name
        )
