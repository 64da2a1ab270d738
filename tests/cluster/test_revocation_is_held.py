"""A cloud that refuses for longer than some tries keeps a deleted grant, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.gateway import GatewayTenant, gateway_tenants, permissions
from tests.cluster.long_term import LongTermTenant, document, tenants
from tests.cluster.tenants import Document, condition
from tests.cluster.test_keys_are_looked_up import events, ready
from tests.cluster.worlds import MakeWorld

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
_NOTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
}
# As many as used to be enough to give a key up.
_TRIES = 6
AnyTenant = LongTermTenant | GatewayTenant


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[tuple[World, OperatorProcess]]:
    """A world of its own, whose operator has the time of the default."""
    with make_world() as world:
        operator = world.operator(arguments=(*DEBUG, "--revoke-timeout=15m"), fork="keywright")
        operator.start()
        yield world, operator


def test_an_outage_leaves_no_key_behind(stage: tuple[World, OperatorProcess]) -> None:
    """The grant stays, is never Ready, says why and until when; then its key is revoked."""
    world, _ = stage
    made: list[AnyTenant] = [
        next(tenants(world, name="held"))(),
        next(gateway_tenants(world, name="held"))(),
    ]
    for tenant in made:
        ready(tenant)
        world.aws.put_role_policy(role=tenant.role, name="permissions", document=_NOTHING)
        world.api.delete(tenant.grant_path())
    for tenant in made:
        assert_refused_often(tenant)
    for tenant in made:
        reported = condition(tenant.status(), "Ready")
        assert (reported["status"], reported["reason"]) == ("False", "Deleting")
        assert "tried again until 20" in reported["message"]
        assert events(tenant, "RevocationFailing")
        assert tenant.live_keys()
        world.aws.put_role_policy(role=tenant.role, name="permissions", document=allowed_to(tenant))
    for tenant in made:
        assert_gone(tenant)
        assert tenant.leftovers() == []


def test_a_key_that_is_left_is_revoked_later(stage: tuple[World, OperatorProcess]) -> None:
    """Listed, counted and reported once, with its user or plan; gone when the role may again."""
    world, first = stage
    made: list[AnyTenant] = [
        next(tenants(world, name="left"))(),
        next(gateway_tenants(world, name="left"))(),
    ]
    operator = world.operator(
        arguments=(*DEBUG, "--revoke-timeout=1s", "--sweep-seconds=5"), identity="keywright-1"
    )
    keys = [ready(tenant)["keyId"] for tenant in made]
    first.stop()
    operator.start()
    for tenant in made:
        world.aws.put_role_policy(role=tenant.role, name="permissions", document=_NOTHING)
        world.api.delete(tenant.grant_path())
    for tenant, key, holder in zip(made, keys, ("IAM user", "usage plan"), strict=True):
        assert_gone(tenant)
        (event,) = eventually(partial(events, tenant, "CredentialsOrphaned"))
        assert key in event
        assert holder in event
        assert key in "".join(listed(world).values())
        kind = "apiGatewayKey" if isinstance(tenant, GatewayTenant) else "bedrockLongTermKey"
        assert f'keywright_orphaned_credentials{{kind="{kind}"}} 1.0' in operator.get("/metrics")
    for tenant in made:
        world.aws.put_role_policy(role=tenant.role, name="permissions", document=allowed_to(tenant))
    eventually(lambda: not listed(world), seconds=60)
    for tenant in made:
        assert tenant.leftovers() == []
        assert len(events(tenant, "CredentialsOrphaned")) == 1
    operator.stop()
    first.start()


def listed(world: World) -> dict[str, str]:
    """The entries of the list of keys that were left."""
    path = "/api/v1/namespaces/keywright-system/configmaps/keywright-orphans"
    data: dict[str, str] = world.api.get(path).get("data") or {}
    return data


def allowed_to(tenant: AnyTenant) -> Document:
    """The policy of the example."""
    if isinstance(tenant, GatewayTenant):
        return permissions()
    return document("permissions-policy.json")


def refused_often(tenant: AnyTenant) -> bool:
    """Whether the revocation has failed so often; all the while nothing says Ready."""
    status = tenant.status()
    tries = int(status.get("failedAttempts", 0))
    if tries:
        assert condition(status, "Ready")["status"] == "False"
    return tries >= _TRIES


def assert_refused_often(tenant: AnyTenant) -> None:
    """Return once it has."""
    eventually(lambda: refused_often(tenant), seconds=120)


def assert_gone(tenant: AnyTenant) -> None:
    """Return once the grant is gone."""
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()), seconds=120)


@pytest.mark.parametrize("kind", ["apiGatewayKey", "bedrockShortTermKey"])
def test_an_edited_kind_is_revoked_by_what_was_created(
    stage: tuple[World, OperatorProcess], kind: str
) -> None:
    """A grant of an IAM key that names another kind by now waits, and takes its key with it."""
    world, _ = stage
    tenant = next(tenants(world, name="edited"))()
    ready(tenant)
    world.aws.put_role_policy(role=tenant.role, name="permissions", document=_NOTHING)
    key: Document = {"usagePlan": {"id": "abc123"}} if kind == "apiGatewayKey" else {}
    # Without formats: those of the example are refused for other kinds.
    edited: Document = {"bedrockLongTermKey": None, kind: key, "secret": {"formats": None}}
    tenant.edit_grant(**edited)
    reported = tenant.reported("Ready", status="False", reason="KindChanged")
    assert reported["kind"] == "bedrockLongTermKey"
    world.api.delete(tenant.grant_path())
    eventually(lambda: int(tenant.status().get("failedAttempts", 0)) >= 2, seconds=60)
    assert condition(tenant.status(), "Ready")["reason"] == "Deleting"
    assert tenant.live_keys()
    world.aws.put_role_policy(role=tenant.role, name="permissions", document=allowed_to(tenant))
    assert_gone(tenant)
    assert tenant.leftovers() == []
    assert events(tenant, "CredentialsOrphaned") == []
