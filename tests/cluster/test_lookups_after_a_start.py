"""A key that was deleted in the cloud while no operator ran is noticed after the start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.gateway import KEY, ORDERS, GatewayTenant, gateway_tenants
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import SOURCE
from tests.cluster.test_keys_are_looked_up import (
    assert_well,
    delete_by_hand,
    events,
    ready,
    renewed,
    restored,
)
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long
_OPTIONS = ("--verify-spread=1s", "--cloud-delay-scale=0.02")


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[tuple[World, OperatorProcess]]:
    """A world of its own, whose operator looks keys up within a second of its start."""
    with make_world() as world:
        operator = world.operator(arguments=(*DEBUG, *_OPTIONS), fork="keywright")
        operator.start()
        yield world, operator


def test_a_start_notices_keys_that_are_gone(stage: tuple[World, OperatorProcess]) -> None:
    """Secret and status agree, so only the cloud can tell; both are replaced and reported."""
    world, operator = stage
    made: list[LongTermTenant | GatewayTenant] = [
        next(tenants(world, name="gone"))(),
        next(gateway_tenants(world, name="gone"))(),
    ]
    before = [ready(tenant) for tenant in made]
    operator.kill()
    for tenant, status in zip(made, before, strict=True):
        delete_by_hand(tenant, status["keyId"])
    operator.start()
    for tenant, status in zip(made, before, strict=True):
        assert_replaced(tenant, status["keyId"])


def assert_replaced(tenant: LongTermTenant | GatewayTenant, key_id: str) -> None:
    """Another key is in use, works, and an Event names the one that was lost."""
    after = tenant.reported("Ready", seconds=60, and_=lambda status: status["keyId"] != key_id)
    assert_well(tenant, after)
    eventually(lambda: key_id in "".join(events(tenant, "KeyLost")))


def test_a_namespace_deleted_after_a_restart_leaves_no_key(
    stage: tuple[World, OperatorProcess],
) -> None:
    """Without a ServiceAccount there is no token: the session was opened after the start."""
    world, operator = stage
    made: list[LongTermTenant | GatewayTenant] = [
        next(tenants(world, name="restarted"))(),
        next(gateway_tenants(world, name="restarted"))(),
    ]
    for tenant in made:
        ready(tenant)
    operator.kill()
    before = [sessions_of(tenant) for tenant in made]
    operator.start()
    for tenant, calls in zip(made, before, strict=True):
        assert_session_is_opened(tenant, after=calls)
        namespace = f"/api/v1/namespaces/{tenant.namespace}"
        world.api.delete(f"{namespace}/serviceaccounts/{account_of(tenant)}")
        world.api.delete(tenant.source_path(source_of(tenant)))
        world.api.delete(namespace)
    for tenant in made:
        assert_gone(tenant)
        assert tenant.leftovers() == []


def test_a_start_notices_one_key_of_many_that_is_gone(
    stage: tuple[World, OperatorProcess],
) -> None:
    """An import goes by one id: the key that it lacks is issued again, the others stay."""
    world, operator = stage
    tenant = next(gateway_tenants(world, name="many"))()
    names = ("a", "b", "c")
    rows = (f"{name},{tenant.value(name)}" for name in names)
    tenant.put_input("file", "\n".join(("name,key", *rows)))
    tenant.apply_source()
    tenant.apply_key(
        spec={"secret": {"formats": None}}, **tenant.made_plan(), **tenant.csv_from("file")
    )
    tenant.ready()
    before = {key["name"]: key["id"] for key in tenant.made_keys()}
    operator.kill()
    tenant.gateway.delete_api_key(apiKey=before["b"])
    operator.start()
    eventually(lambda: events(tenant, "KeyLost"), seconds=60)
    eventually(lambda: {key["name"] for key in tenant.made_keys()} == set(names), seconds=60)
    tenant.ready(seconds=60)
    after = {key["name"]: key["id"] for key in tenant.made_keys()}
    assert (after["a"], after["c"]) == (before["a"], before["c"])
    assert tenant.data() == {name: tenant.value(name) for name in names}
    assert tenant.works({KEY: tenant.value("b")})


def test_sessions_to_revoke_with_are_opened_at_once(
    stage: tuple[World, OperatorProcess],
) -> None:
    """A namespace that is deleted seconds after a start is gone soon, and leaves no key."""
    world, first = stage
    made: list[LongTermTenant | GatewayTenant] = [
        next(tenants(world, name="at-once"))(),
        next(gateway_tenants(world, name="at-once"))(),
    ]
    for tenant in made:
        ready(tenant)
    first.stop()
    before = [sessions_of(tenant) for tenant in made]
    # Its lookups are spread over ten minutes: they open no session so soon.
    operator = world.operator(arguments=DEBUG, identity="keywright-1", fork="keywright")
    operator.start()
    try:
        for tenant, calls in zip(made, before, strict=True):
            assert_session_is_opened(tenant, after=calls, seconds=15)
            world.api.delete(f"/api/v1/namespaces/{tenant.namespace}")
        for tenant in made:
            assert_gone(tenant)
            assert tenant.leftovers() == []
    finally:
        # Otherwise it would lead in the tests that follow.
        operator.stop()
        first.start()


def test_a_restored_cluster_takes_up_the_key_that_is_there(
    stage: tuple[World, OperatorProcess],
) -> None:
    """Secret and status of before a rotation: API Gateway tells the value of the newer key."""
    world, operator = stage
    tenant = next(gateway_tenants(world, name="snapshot"))()
    first = ready(tenant)
    secret = restored(tenant.secret())
    second = renewed(tenant, 2)
    operator.kill()
    world.api.delete(tenant.secret_path())
    world.api.create(secret)
    tenant.patch(f"{tenant.grant_path()}/status", {"status": first})
    operator.start()
    after = tenant.reported(
        "Ready", seconds=60, and_=lambda status: status["keyId"] == second["keyId"]
    )
    assert_well(tenant, after)


def account_of(tenant: LongTermTenant | GatewayTenant) -> str:
    """The ServiceAccount of the source."""
    return "orders-aws" if isinstance(tenant, GatewayTenant) else "chat-bedrock"


def source_of(tenant: LongTermTenant | GatewayTenant) -> str:
    """The name of the source."""
    return ORDERS if isinstance(tenant, GatewayTenant) else SOURCE


def sessions_of(tenant: LongTermTenant | GatewayTenant) -> int:
    """How many sessions of the source AWS has opened."""
    return tenant.session_calls(source=source_of(tenant))


def assert_session_is_opened(
    tenant: LongTermTenant | GatewayTenant, *, after: int, seconds: float = 30
) -> None:
    """Return once there is another."""
    eventually(lambda: sessions_of(tenant) > after, seconds=seconds)


def assert_gone(tenant: LongTermTenant | GatewayTenant) -> None:
    """Return once the grant is gone."""
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()), seconds=60)
