"""One cluster with the shipped operator and two clouds beside it; a namespace for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from image.base_image import NoBaseError
from image.build import build
from testbed.clusters import NoClusterError
from testbed.clusters.kind import Engine, KindCluster
from testbed.clusters.kind.doorway import Doorway
from testbed.readers.ledger import SecretHistory
from testbed.world import Vendor, World
from tests.cluster.tenants import Tenant
from tests.cluster.tier import note, without_cluster
from tests.kind import readers
from tests.kind.installation import IMAGE, Installation
from tests.kind.never_restarted import NeverRestarted, start_all
from tests.kind.stage import LIFETIME_SECONDS, Stage, prepare_for_pods
from tests.kind.surroundings import Surroundings


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What has been watched all the while is judged last, however tests are shuffled.

    Only what takes the installation apart comes after it.
    """
    items.sort(
        key=lambda item: [
            item.get_closest_marker(name) is not None for name in ("destructive", "run_last")
        ]
    )


@pytest.fixture(scope="session")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Cluster, clouds and operator, in the state in which an installation leaves them."""
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(Engine())
            cluster = KindCluster(tmp_path_factory.mktemp("kind"), engine=engine)
            build(engine, name=IMAGE)
            readers.build_image(engine)
            world = stack.enter_context(World(lambda _: cluster, providers=list(Vendor)))
        except (NoClusterError, NoBaseError) as error:
            without_cluster(request.config, str(error), folder="tests/kind")
        note(request.config, f"{cluster.name}, Kubernetes {cluster.version}")
        cluster.load_images(IMAGE, readers.IMAGE)
        surroundings = stack.enter_context(_surroundings(world, cluster))
        for cloud in (world.aws, world.alibaba):
            cloud.limit_sessions(seconds=LIFETIME_SECONDS)
        installation = Installation(
            world, surroundings=surroundings, directory=tmp_path_factory.mktemp("overlay")
        )
        installation.apply()
        first = installation.wait_until_ready()
        ledger = stack.enter_context(SecretHistory(cluster.kubeconfig))
        yield Stage(world, cluster, installation, tuple(first), surroundings, ledger)


@contextmanager
def _surroundings(world: World, cluster: KindCluster) -> Iterator[Surroundings]:
    """The door that pods take to the clouds, and what they need to know of it."""
    environment = world.client_environment()
    proxy = urlsplit(environment["HTTPS_PROXY"])
    assert proxy.port is not None
    service = world.api.get("/api/v1/namespaces/default/services/kubernetes")
    with Doorway(cluster.host_address(), to_port=proxy.port) as door:
        yield Surroundings(
            proxy=f"http://{cluster.host_address()}:{door.port}",
            certificates=Path(environment["SSL_CERT_FILE"]).read_text(),
            api_server=service["spec"]["clusterIP"],
        )


@pytest.fixture(scope="session", autouse=True)
def never_restarted(stage: Stage) -> dict[str, NeverRestarted]:
    """Four pods, from the start of the tier to its end, whatever its tests do meanwhile."""
    return start_all(stage)


@pytest.fixture
def new_tenant(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Callable[[], Tenant]]:
    """Makes prepared namespaces, with what pods need there; they go with the test."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:40].strip("-")
    made: list[Tenant] = []

    def make() -> Tenant:
        made.append(Tenant(stage.world, name=name))
        made[-1].prepare()
        prepare_for_pods(stage, namespace=made[-1].namespace)
        return made[-1]

    yield make
    for tenant in made:
        stage.world.api.delete(f"/api/v1/namespaces/{tenant.namespace}")
