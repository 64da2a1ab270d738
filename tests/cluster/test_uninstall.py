"""Uninstalling, in the guide's order and in others: nothing hangs, leftovers are reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from testbed.operators import OperatorProcess
from testbed.world import CRDS, World
from tests.cluster.eventually import eventually
from tests.cluster.gateway import GatewayTenant, gateway_tenants
from tests.cluster.guides import commands, run
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import Tenant
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.xdist_group("uninstall")

# The API server retries the deletion of a CRD with objects left after pauses that double.
_CRDS_GONE_SECONDS = 180.0
_CRDS = tuple(
    f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{path.stem}" for path in CRDS
)
_GUIDE = "docs/uninstall.md"
_STARTED = " started, for "
"""In the line that each start writes, also a restart in place."""


@dataclass(frozen=True)
class Installed:
    """An operator at work, with a grant of each way to end: by itself, in IAM, in API Gateway."""

    world: World
    operator: OperatorProcess
    brief: Tenant
    lasting: LongTermTenant
    gateway: GatewayTenant

    def crds_are_gone(self) -> bool:
        """Both of them."""
        return not any(self.world.api.exists(path) for path in _CRDS)

    def what_is_left(self) -> dict[str, object]:
        """Each CRD's last condition, and what holds each grant."""
        held = {path: self.world.api.get(path) for path in _CRDS if self.world.api.exists(path)}
        found: dict[str, object] = {
            path: crd["status"]["conditions"][-1] for path, crd in held.items()
        }
        for tenant in (self.brief, self.lasting, self.gateway):
            if self.world.api.exists(tenant.grant_path()):
                metadata = self.world.api.get(tenant.grant_path())["metadata"]
                found[tenant.grant_path()] = (
                    metadata.get("deletionTimestamp"),
                    metadata.get("finalizers"),
                )
        return found

    def is_being_deleted(self, path: str) -> bool:
        """The API server has begun to delete the object, and something holds it."""
        return bool(self.world.api.get(path)["metadata"].get("deletionTimestamp"))

    def delete_crds(self) -> None:
        """As `kubectl delete -f crds/` begins it."""
        for path in _CRDS:
            self.world.api.delete(path)

    def left_in_the_cloud(self) -> list[str]:
        """Ids of keys."""
        return [*self.lasting.live_keys(), *self.gateway.live_keys()]

    def secrets(self) -> list[str]:
        """The namespaces whose Secret is still there."""
        every = (self.brief, self.lasting, self.gateway)
        return [tenant.namespace for tenant in every if tenant.has_secret()]

    def log(self) -> str:
        """All that the operator has said."""
        return self.operator.log.read_text()


@pytest.fixture
def installed(make_world: MakeWorld) -> Iterator[Installed]:
    """In a world of its own, which each test takes apart."""
    with make_world() as world, ExitStack() as ending:
        operator = world.operator(arguments=["--log-format=text"])
        operator.start()
        brief = Tenant(world, name="brief")
        brief.prepare()
        made = []
        for namespaces in (
            tenants(world, name="lasting"),
            gateway_tenants(world, name="partner"),
        ):
            made.append(next(namespaces)())
            ending.callback(next, namespaces, None)
        lasting, gateway = made
        assert isinstance(lasting, LongTermTenant)
        assert isinstance(gateway, GatewayTenant)
        brief.become_ready()
        lasting.key_ready()
        gateway.key_ready(**gateway.made_plan())
        yield Installed(world, operator, brief, lasting, gateway)


def test_the_order_of_the_guide_leaves_nothing(installed: Installed) -> None:
    """Grants, operator, CRDs: each command returns, and neither cluster nor clouds keep a thing."""
    delete, _events, operator, crds, _way_out = commands(_GUIDE)
    run(delete, installed.world)
    assert installed.left_in_the_cloud() == []
    eventually(lambda: installed.secrets() == [])
    assert installed.operator.stop() == 0
    run(operator, installed.world)
    run(crds, installed.world)
    assert installed.crds_are_gone()


def test_crds_that_go_first_hang_on_nothing_and_may_come_back(installed: Installed) -> None:
    """Keys are revoked with the sessions in memory; the process lives, and takes up its work."""
    pid = installed.operator.process.pid
    installed.delete_crds()
    eventually(installed.crds_are_gone, seconds=_CRDS_GONE_SECONDS, reported=installed.what_is_left)
    assert installed.left_in_the_cloud() == []
    eventually(lambda: installed.secrets() == [])
    eventually(lambda: "the CRDs are not installed" in installed.log(), seconds=40)
    assert not installed.operator.is_ready()
    assert (installed.operator.process.exit_code, installed.operator.process.pid) == (None, pid)
    installed.world.api.apply_files(CRDS)
    eventually(installed.operator.is_ready, seconds=40)
    installed.brief.become_ready()
    assert (installed.operator.process.exit_code, installed.operator.process.pid) == (None, pid)
    assert installed.operator.stop() == 0


def test_an_operator_that_waits_for_the_crds_stops_when_it_is_told(
    make_world: MakeWorld,
) -> None:
    """It says what it waits for, leaves its Lease to others, and is no failure of the pod."""
    with make_world() as world:
        for path in _CRDS:
            world.api.delete(path)
        eventually(lambda: not any(world.api.exists(path) for path in _CRDS))
        operator = world.operator()
        operator.spawn()
        eventually(lambda: "this replica is the leader" in operator.log.read_text())
        eventually(lambda: "the CRDs are not installed" in operator.log.read_text())
        assert not operator.is_ready()
        assert operator.get("/livez")
        assert operator.stop() == 0
        lease = world.api.get(
            "/apis/coordination.k8s.io/v1/namespaces/keywright-system/leases/keywright"
        )
        assert not lease["spec"].get("holderIdentity")


def test_grants_end_after_their_sources_kind_is_gone(installed: Installed) -> None:
    """An unavailable cloud delays the deletion of the CRD for a while; leftovers are listed by ID.

    The CRD of sources was deleted meanwhile, and the operator restarted without it.
    """
    left = sorted(installed.lasting.live_keys())
    installed.world.aws.fail_next(
        "iam", code="InternalFailure", message="out of order", status=500, count=1000
    )
    installed.delete_crds()
    # Whichever way kopf ends: at once, or only after it was given up.
    eventually(lambda: installed.log().count(_STARTED) > 1, seconds=150)
    installed.world.aws.clear_faults()
    eventually(installed.crds_are_gone, seconds=120, reported=installed.what_is_left)
    assert sorted(installed.lasting.live_keys()) == left
    reported = [line for line in installed.log().splitlines() if left[0] in line]
    assert reported
    assert installed.operator.process.exit_code is None
    # It restarts repeatedly, with pauses; it still handles deletions.
    assert installed.operator.stop() == 0


def test_without_an_operator_the_guide_has_a_way_out(installed: Installed) -> None:
    """A finalizer that no operator serves is removed by its command, which first names each key."""
    left = sorted(installed.left_in_the_cloud())
    assert len(left) == 2
    assert installed.operator.stop() == 0
    installed.delete_crds()
    held = [installed.lasting.grant_path(), installed.gateway.grant_path()]
    eventually(lambda: not installed.world.api.exists(installed.brief.grant_path()))
    # The CRD's finalizer deletes one namespace after the other.
    eventually(lambda: all(installed.is_being_deleted(path) for path in held))
    printed = run(commands(_GUIDE)[-1], installed.world)
    eventually(installed.crds_are_gone, seconds=_CRDS_GONE_SECONDS, reported=installed.what_is_left)
    reported = [line.rpartition(" ")[2] for line in printed.splitlines() if "left in" in line]
    assert sorted(reported) == left == sorted(installed.left_in_the_cloud())


def test_an_operator_that_comes_back_ends_what_was_begun(installed: Installed) -> None:
    """Grants that were deleted without it are revoked and gone, as their sources are there."""
    assert installed.operator.stop() == 0
    for path in (installed.lasting.grant_path(), installed.gateway.grant_path()):
        installed.world.api.delete(path)
    installed.operator.start()
    eventually(lambda: not installed.world.api.exists(installed.lasting.grant_path()), seconds=40)
    eventually(lambda: not installed.world.api.exists(installed.gateway.grant_path()), seconds=40)
    assert installed.left_in_the_cloud() == []
