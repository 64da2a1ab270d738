"""A key that was deleted in the cloud while no operator ran is noticed after the start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.gateway import GatewayTenant, gateway_tenants
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.test_keys_are_looked_up import assert_well, delete_by_hand, events, ready
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long
_OPTIONS = ("--verify-spread=1s", "--cloud-delay-scale=0.02")


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[tuple[World, OperatorProcess]]:
    """A world of its own, whose operator looks keys up within a second of its start."""
    with make_world() as world:
        operator = world.operator(arguments=(*DEBUG, *_OPTIONS))
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
    after = tenant.told("Ready", seconds=60, and_=lambda status: status["keyId"] != key_id)
    assert_well(tenant, after)
    eventually(lambda: key_id in "".join(events(tenant, "KeyLost")))
