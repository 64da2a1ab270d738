"""An operator that is killed while it clears the Secret of a former name."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.world import ROOT, World
from tests.cluster.eventually import eventually
from tests.cluster.former import NEW, SPEC, former, is_cleared
from tests.cluster.tenants import GRANT, Tenant
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Doomed:
    """A world of its own, and an operator in it that ends at a named request."""

    world: World
    kill_at: str

    def run(self) -> None:
        """Start it, and return when it has killed itself."""
        doomed = self.world.operator(
            identity="doomed",
            # It leaves no Lease behind that the next operator would have to wait for.
            arguments=["--no-leader-election"],
            fork="tests.cluster.killed_operator",
            environment={"KILL_AT": self.kill_at, "PYTHONPATH": str(ROOT)},
        )
        doomed.spawn()
        eventually(lambda: doomed.process.exit_code is not None, seconds=40)
        assert doomed.process.exit_code == -signal.SIGKILL


@pytest.fixture(scope="module")
def lonely(make_world: MakeWorld) -> Iterator[World]:
    """A world without an operator."""
    with make_world() as made:
        yield made


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(f'apikeygrants/{GRANT}/status "secretName": "{NEW}"', id="left-behind"),
        pytest.param(f'apikeygrants/{GRANT}/status "uid": ', id="uid-recorded"),
        pytest.param(f'secrets/{GRANT} "namespace": "NAMESPACE", "uid"', id="cleared"),
        pytest.param(f'apikeygrants/{GRANT}/status "cleared": true', id="reported"),
    ],
)
def test_a_kill_at_any_step_loses_nothing(lonely: World, phase: str, request_: str) -> None:
    """The next operator clears the Secret and releases the name, whatever was written before."""
    tenant = Tenant(lonely, name="killed")
    tenant.prepare()
    whole = lonely.operator(identity="whole", fork="keywright")
    whole.start()
    tenant.become_ready(secret=SPEC)
    assert whole.stop() == 0
    uid = tenant.secret()["metadata"]["uid"]
    tenant.edit_grant(secret={"name": NEW})
    where = request_.replace("NAMESPACE", tenant.namespace)
    Doomed(lonely, kill_at=f"{phase} api {where}").run()
    whole.start()
    eventually(lambda: former(tenant).get("cleared"), seconds=40)
    assert is_cleared(tenant)
    assert former(tenant) == {"name": GRANT, "uid": uid, "cleared": True}
    status = tenant.ready()
    assert (status["secretName"], status["revision"]) == (NEW, 2)
    tenant.apply_grant(name="second", secret={"name": GRANT})
    tenant.ready(name="second")
    assert whole.stop() == 0
    lonely.api.delete(f"/api/v1/namespaces/{tenant.namespace}")
