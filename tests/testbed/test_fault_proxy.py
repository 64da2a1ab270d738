"""The proxy before an API server: what goes through it, and what it breaks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from urllib3.exceptions import HTTPError

from testbed.clusters.api import Api, ApiError
from testbed.clusters.embedded import EmbeddedCluster
from testbed.faults import FaultProxy
from tests.cluster.eventually import eventually

_NAMESPACES = "/api/v1/namespaces"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    """One before a cluster."""
    directory = tmp_path_factory.mktemp("proxied")
    with (
        EmbeddedCluster(directory) as cluster,
        FaultProxy(directory / "proxy", cluster=cluster) as made,
    ):
        shutil.copy(cluster.kubeconfig, directory / "proxy" / "kubeconfig")
        cluster.service_account_kubeconfig(
            namespace="default", name="default", directory=directory / "proxy"
        )
        yield made


@pytest.fixture
def kubeconfig(proxy: FaultProxy) -> Iterator[Path]:
    """An admin's, through the proxy."""
    yield proxy.lead(proxy.ca_file.parent / "kubeconfig")
    proxy.faults.clear()


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Api]:
    """The cluster, through the proxy."""
    made = Api(kubeconfig)
    yield made
    made.close()


def answers(api: Api) -> bool:
    """Whether a request gets its answer."""
    try:
        return bool(api.get(_NAMESPACES)["items"])
    except HTTPError:
        return False


def test_requests_go_through(api: Api) -> None:
    """With their credentials, and back with the server's own answer."""
    assert answers(api)
    with pytest.raises(ApiError, match="404"):
        api.get(f"{_NAMESPACES}/missing")


def test_a_fault_is_met_as_often_as_was_asked(proxy: FaultProxy, api: Api) -> None:
    """500 twice for one path, then the answer; others meet nothing."""
    proxy.faults.internal_error(_NAMESPACES, verbs=["list"], count=2)
    for _ in range(2):
        with pytest.raises(ApiError, match="500"):
            api.get(_NAMESPACES)
    assert api.exists(f"{_NAMESPACES}/default")
    assert answers(api)


def test_a_server_that_is_down_comes_back_by_itself(proxy: FaultProxy, api: Api) -> None:
    """Connections are refused for so long, and then no more."""
    proxy.faults.down(seconds=1)
    eventually(lambda: not answers(api))
    eventually(lambda: answers(api))


def test_only_its_owner_may_break_it(api: Api) -> None:
    """A client of the cluster cannot arm a fault."""
    with pytest.raises(ApiError, match="401"):
        api.request("POST", "/_faults", body={"kind": "close"})
    assert answers(api)


def test_a_token_that_was_revoked_is_refused(proxy: FaultProxy, api: Api) -> None:
    """401 for that one, which the cluster still knows; others are let through."""
    path = proxy.ca_file.parent / "default-default.kubeconfig"
    account = Api(proxy.lead(path))
    assert answers(account)
    proxy.faults.revoke(yaml.safe_load(path.read_text())["users"][0]["user"]["token"])
    with pytest.raises(ApiError, match="401"):
        account.get(_NAMESPACES)
    account.close()
    assert answers(api)
