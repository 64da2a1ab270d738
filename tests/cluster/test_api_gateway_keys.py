"""API Gateway keys, from apply to what is left in the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.gateway import GatewayTenant, gateway_tenants
from tests.cluster.long_term import short


@pytest.fixture
def make_tenant(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Callable[[], GatewayTenant]]:
    """Namespaces whose grants are API Gateway keys."""
    assert operator.process.exit_code is None
    yield from gateway_tenants(world, name=short(request))


@pytest.fixture
def tenant(make_tenant: Callable[[], GatewayTenant]) -> GatewayTenant:
    """One of them."""
    return make_tenant()


def test_a_key_is_made_used_and_revoked(tenant: GatewayTenant) -> None:
    """Apply to Ready with the rights of the example alone; deleted, no key is left."""
    plan = tenant.plan()
    status = tenant.key_ready(usagePlan={"id": plan}, description="Partner A")
    assert list(tenant.keys()) == [status["keyId"]]
    (key,) = tenant.keys().values()
    assert (key["enabled"], key["description"]) == (True, "Partner A")
    assert tenant.plan_keys(plan) == [key["id"]]
    assert tenant.works()
    tenant.delete()
    assert tenant.keys() == {}
    assert tenant.plan_keys(plan) == []
