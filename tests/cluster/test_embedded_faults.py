"""Faults on demand: what a client of the embedded cluster meets when a test asks for it."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any, Self

import pytest

from testbed.clusters.embedded import EmbeddedCluster
from tests.cluster.contract_cases.client import Client
from tests.cluster.contract_cases.steps import Answer, Step
from tests.cluster.contract_cases.widgets import config_map

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cluster
_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    """One cluster for this module."""
    with EmbeddedCluster(tmp_path_factory.mktemp("faulty")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: EmbeddedCluster) -> Iterator[EmbeddedCluster]:
    """The cluster without faults, before and after."""
    running.faults.clear()
    yield running
    running.faults.clear()


class Stream:
    """An open watch, read line by line."""

    def __init__(self, cluster: EmbeddedCluster, *, seconds: float = 10) -> None:
        token = json.loads(cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
        self._connection = http.client.HTTPSConnection(
            cluster.server.removeprefix("https://"),
            context=ssl.create_default_context(cafile=str(cluster.ca_file)),
            timeout=seconds,
        )
        query = "watch=1&allowWatchBookmarks=true"
        headers = {"Authorization": f"Bearer {token}"}
        self._connection.request("GET", f"{_MAPS}?{query}", headers=headers)
        self._response = self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._connection.close()

    def until(self, kind: str) -> dict[str, Any]:
        """The next event of that type."""
        while line := self._response.readline():
            event: dict[str, Any] = json.loads(line)
            if event["type"] == kind:
                return event
        pytest.fail(f"the watch ended before {kind}")

    def rest(self) -> bytes:
        """Everything up to the end."""
        return self._response.read()


def _ask(cluster: EmbeddedCluster, step: Step) -> Answer:
    client = Client(cluster.kubeconfig, cluster.ca_file)
    return client.send(step, namespace="default", answers=[])


def _create(cluster: EmbeddedCluster, name: str) -> Answer:
    return _ask(cluster, Step(method="POST", path=_MAPS, body=config_map(name)))


def test_answers_as_ordered_and_as_often(cluster: EmbeddedCluster) -> None:
    """429 and 500 come for so many matching requests, with Retry-After, and then no more."""
    cluster.faults.too_many_requests("configmaps", verbs=["create"], retry_after=7)
    refused = _create(cluster, "a")
    assert (refused.status, refused.document["reason"]) == (429, "TooManyRequests")
    assert refused.document["details"]["retryAfterSeconds"] == 7
    cluster.faults.internal_error("configmaps", count=2)
    assert _ask(cluster, Step(method="GET", path="/api/v1/namespaces")).status == 200
    assert [_create(cluster, "a").status for _ in range(3)] == [500, 500, 201]


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_an_answer_may_get_lost(cluster: EmbeddedCluster, kind: str) -> None:
    """With `after` the write is carried out although its client never hears of it."""
    arm = cluster.faults.close if kind == "close" else cluster.faults.reset
    arm("configmaps", verbs=["create"], after=True)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, ssl.SSLError)):
        _create(cluster, f"lost-{kind}")
    assert _ask(cluster, Step(method="GET", path=f"{_MAPS}/lost-{kind}")).status == 200


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_open_watches_end_in_the_middle(cluster: EmbeddedCluster, kind: str) -> None:
    """A fault reaches watches that are already open; `count=0` spares later requests."""
    arm = cluster.faults.close if kind == "close" else cluster.faults.reset
    with Stream(cluster) as stream:
        stream.until("BOOKMARK")
        arm("configmaps", count=0)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError, ssl.SSLError)):
            stream.rest()
    assert _ask(cluster, Step(method="GET", path=_MAPS)).status == 200


def test_a_compacted_history_ends_watches_with_410(cluster: EmbeddedCluster) -> None:
    """`gone` sends Expired to open watches, and to those resumed from before it."""
    version = _ask(cluster, Step(method="GET", path=_MAPS)).document["metadata"]["resourceVersion"]
    with Stream(cluster) as stream:
        stream.until("BOOKMARK")
        cluster.faults.gone("configmaps")
        assert stream.until("ERROR")["object"]["code"] == 410
    resumed = Step(
        method="GET", path=f"{_MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=5", events=1
    )
    assert _ask(cluster, resumed).document["events"][0]["object"]["reason"] == "Expired"


def test_a_stalled_watch_goes_on_when_cleared(cluster: EmbeddedCluster) -> None:
    """A stall sends nothing while it lasts; what happened meanwhile comes when it is cleared."""
    with Stream(cluster, seconds=0.5) as silent, Stream(cluster) as patient:
        silent.until("BOOKMARK")
        patient.until("BOOKMARK")
        cluster.faults.stall("watch=1", verbs=["watch"])
        _create(cluster, "meanwhile")
        with pytest.raises(TimeoutError):
            silent.until("ADDED")
        cluster.faults.clear()
        assert patient.until("ADDED")["object"]["metadata"]["name"] == "meanwhile"


def test_a_service_account_may_not_order_faults(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    """Only the administrator's token opens the control endpoint; other users are served."""
    kubeconfig = cluster.service_account_kubeconfig(
        namespace="default", name="default", directory=tmp_path
    )
    client = Client(kubeconfig, cluster.ca_file)
    listed = client.send(Step(method="GET", path=_MAPS), namespace="", answers=[])
    assert listed.status == 200
    ordered = client.send(
        Step(method="POST", path="/_faults", body={"kind": "slow"}), namespace="", answers=[]
    )
    assert ordered.status == 401
