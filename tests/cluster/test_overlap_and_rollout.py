"""The old key of the cloud, and workloads that have not been restarted onto the new one yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from testbed.operators import OperatorProcess
from testbed.workloads import WorkloadControllers
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LongTermTenant, short, tenants
from tests.cluster.rollouts import let_restart, mark, rolled_out, workload
from tests.cluster.tenants import Document, condition
from tests.cluster.test_rollouts import ask

_NAMES = ["first", "second"]


@pytest.fixture
def make_tenant(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Callable[[], LongTermTenant]]:
    """Namespaces whose grants are long-term keys."""
    assert operator.process.exit_code is None
    yield from tenants(world, name=short(request))


def test_an_old_key_works_until_every_workload_has_the_new_one(
    make_tenant: Callable[[], LongTermTenant],
) -> None:
    """Long past its overlap it works for who was not restarted yet; then it goes at once."""
    tenant = make_tenant()
    let_restart(tenant)
    for name in _NAMES:
        tenant.world.api.create(workload(tenant, "Deployment", name))
    with WorkloadControllers(tenant.world, namespace=tenant.namespace) as controllers:
        tenant.apply_source(sessionDuration=None)
        restart = [{"kind": "Deployment", "name": name} for name in _NAMES]
        tenant.apply_grant(
            bedrockShortTermKey=None,
            bedrockLongTermKey=tenant.key_spec(),
            rollout={"restart": restart, "batchSize": 1},
        )
        old = rolled_out(tenant, revision=1)["keyId"]
        data = tenant.data()
        controllers.stuck.add("first")
        ask(tenant)
        held = eventually(lambda: _held(tenant, old))
        assert "1 of 2 workloads have been restarted" in held
        assert mark(tenant, "Deployment", "second") is None
        assert old in tenant.listed()
        assert tenant.works(data)
        controllers.stuck.clear()
        rolled_out(tenant, revision=2)
        eventually(lambda: old not in tenant.listed())
        assert [controllers.restarts(name) for name in _NAMES] == [1, 1]
    assert not tenant.works(data)
    assert tenant.works()


def _held(tenant: LongTermTenant, key_id: str) -> str:
    """What the condition says of a key whose overlap is over; empty where it says nothing."""
    status: Document = tenant.status()
    message = str(condition(status, "RolloutProgressing").get("message", ""))
    return message if f"The old key {key_id} stays" in message else ""
