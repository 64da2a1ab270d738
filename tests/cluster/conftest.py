"""A real control plane, an AWS and an operator for each worker; a namespace for each test.

Tests share one world where they can: their objects are in namespaces of their own, and the
faults and limits that they set in the cloud end with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.clusters import Cluster, NoClusterError
from testbed.clusters.context import ContextCluster
from testbed.clusters.controlplane import ControlPlaneCluster
from testbed.operators import OperatorProcess
from testbed.world import CRDS, Vendor, World
from tests.cluster.alibaba_scene import alibaba_tenant, scene
from tests.cluster.audit import AuditLog
from tests.cluster.gateway import GatewayTenant, gateway_tenants
from tests.cluster.helm import helm
from tests.cluster.long_term import short
from tests.cluster.tenants import Tenant
from tests.cluster.tier import note, without_cluster
from tests.cluster.worlds import MakeWorld

# Fixtures that have a file of their own.
__all__ = ["alibaba_tenant", "helm", "scene"]

DEBUG = ("--log-level=debug",)
# What the log of an operator must never say, whatever was done to it.
_MISTAKES = (
    "unexpected error",
    "Traceback (most recent call last)",
    "was never awaited",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs an API server."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def make_world(request: pytest.FixtureRequest) -> MakeWorld:
    """Worlds to start: on a control plane of their own, or on the cluster of --kube-context."""
    context: str | None = request.config.getoption("--kube-context")

    def make_cluster(directory: Path) -> Cluster:
        if context is not None:
            return ContextCluster(directory, context=context)
        return ControlPlaneCluster(directory, crds=CRDS)

    @contextmanager
    def made(providers: Collection[Vendor] = (Vendor.AWS,)) -> Iterator[World]:
        world = World(make_cluster, providers=providers)
        try:
            world.start()
        except NoClusterError as error:
            without_cluster(request.config, str(error))
        note(request.config, f"{world.cluster.name}, Kubernetes {world.cluster.version}")
        try:
            yield world
        finally:
            world.stop()

    return made


@pytest.fixture(scope="session")
def world(make_world: MakeWorld) -> Iterator[World]:
    """The world of this worker, without an operator."""
    with make_world() as made:
        yield made


@pytest.fixture(scope="session")
def cluster(world: World) -> Cluster:
    """Its API server."""
    return world.cluster


@pytest.fixture(scope="session")
def session_operator(world: World) -> OperatorProcess:
    """The operator of this worker, at its most talkative."""
    operator = world.operator(arguments=DEBUG, fork="keywright")
    operator.start()
    return operator


@pytest.fixture
def operator(session_operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """It again; at the end of the test it must still run, and have logged no unexpected error."""
    before = session_operator.log.stat().st_size
    yield session_operator
    assert session_operator.process.exit_code is None, session_operator.process.log_end()
    with session_operator.log.open() as log:
        log.seek(before)
        assert [line for line in log if any(words in line for words in _MISTAKES)] == []


@pytest.fixture
def audit(world: World) -> AuditLog:
    """The audit log of the shared API server."""
    return audit_log(world)


@pytest.fixture
def new_tenant(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Tenant]]:
    """Makes prepared namespaces; they go with the test, as do faults and limits in the cloud."""
    assert operator.process.exit_code is None
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:40].strip("-")
    made: list[Tenant] = []

    def make() -> Tenant:
        made.append(Tenant(world, name=name))
        made[-1].prepare()
        return made[-1]

    yield make
    world.aws.clear_faults()
    world.aws.limit_sessions(seconds=None)
    for tenant in made:
        world.api.delete(f"/api/v1/namespaces/{tenant.namespace}")


@pytest.fixture
def tenant(new_tenant: Callable[[], Tenant]) -> Tenant:
    """A namespace with a ServiceAccount, the right to ask for its tokens, and a role in AWS."""
    return new_tenant()


@pytest.fixture
def new_gateway_tenant(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Callable[[], GatewayTenant]]:
    """Makes namespaces whose grants are API Gateway keys."""
    assert operator.process.exit_code is None
    yield from gateway_tenants(world, name=short(request))


@pytest.fixture
def barrier(new_tenant: Callable[[], Tenant]) -> Callable[[], None]:
    """Returns, when called, once the operator has looked at all that was there to be looked at.

    A grant that is made last is Ready last: events come in order, and the queue keeps it.
    """

    def wait() -> None:
        new_tenant().become_ready()

    return wait


def audit_log(world: World) -> AuditLog:
    """The audit log of a world's API server; skips where the cluster keeps it to itself."""
    if world.cluster.audit_log is None:
        pytest.skip("this cluster does not show its audit log")
    return AuditLog(world.cluster.audit_log)
