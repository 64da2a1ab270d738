"""A Kubernetes API that breaks: the embedded one, as a real one cannot be broken on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from testbed.clusters.embedded import EmbeddedCluster
from testbed.clusters.embedded.control import FaultClient
from testbed.world import World
from tests.cluster.tenants import Tenant

pytestmark = pytest.mark.xdist_group("faults")

_WATCHES = "watch=true"
_GRANT_WATCH = "apikeygrants.*watch=true"


def _watch_refused(faults: FaultClient) -> None:
    faults.internal_error(_GRANT_WATCH, verbs=["watch"], count=3)
    faults.close(_GRANT_WATCH, verbs=["watch"], count=0)


def _watch_throttled(faults: FaultClient) -> None:
    faults.too_many_requests(_GRANT_WATCH, verbs=["watch"], count=2)
    faults.close(_GRANT_WATCH, verbs=["watch"], count=0)


FAULTS: dict[str, Callable[[FaultClient], None]] = {
    "watches closed": lambda faults: faults.close(_WATCHES, verbs=["watch"], count=0),
    "watches reset": lambda faults: faults.reset(_WATCHES, verbs=["watch"], count=0),
    "history compacted: 410": lambda faults: faults.gone(),
    "watch refused: 500": _watch_refused,
    "watch refused: 429": _watch_throttled,
    "Secret refused: 500": lambda faults: faults.internal_error("/secrets/", verbs=["patch"]),
    "Secret refused: 429": lambda faults: faults.too_many_requests("/secrets/", verbs=["patch"]),
    "Secret written, the answer lost": lambda faults: faults.reset(
        "/secrets/", verbs=["patch"], after=True
    ),
    "status refused: 500": lambda faults: faults.internal_error("/status", verbs=["patch"]),
    "status written, the answer lost": lambda faults: faults.reset(
        "/apikeygrants/.*/status", verbs=["patch"], after=True
    ),
    "no token: 500": lambda faults: faults.internal_error("/token", verbs=["create"]),
    "Lease not renewed once": lambda faults: faults.internal_error("/leases/", verbs=["update"]),
}


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world on the embedded cluster, with an operator."""
    directory = tmp_path_factory.mktemp("faults")
    with World(EmbeddedCluster, directory=directory) as made:
        made.operator(arguments=["--log-level=debug"], fork="keywright").start()
        yield made


@pytest.mark.parametrize("fault", FAULTS)
def test_a_grant_becomes_ready_whatever_the_api_server_does(breakable: World, fault: str) -> None:
    """Each fault is met by a grant made right after it: one Secret, and Ready within 20 s."""
    cluster = breakable.cluster
    assert isinstance(cluster, EmbeddedCluster)
    tenant = Tenant(breakable, name="faults")
    tenant.prepare()
    FAULTS[fault](cluster.faults)
    try:
        status = tenant.become_ready()
    finally:
        cluster.faults.clear()
    assert tenant.secret()["metadata"]["annotations"]["keywright.dev/revision"] == str(
        status["revision"]
    )
    assert status["revision"] <= 2
