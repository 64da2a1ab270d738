"""/metrics over TLS, for clients that the RBAC of the cluster allows to read it."""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.operators import OperatorProcess
from testbed.processes import free_port
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.scrapes import scrape, token_of
from tests.cluster.worlds import MakeWorld


@dataclass(frozen=True)
class Stage:
    """A world, its operator, and the port of /metrics."""

    world: World
    operator: OperatorProcess
    port: int

    def scrape(self, token: str | None) -> tuple[int, str]:
        """Status and text of /metrics."""
        return scrape(self.port, token)


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[Stage]:
    """The operator, started as the manifests start it."""
    port = free_port()
    with make_world() as world:
        operator = world.operator(
            arguments=["--metrics-auth=kubernetes", f"--metrics-address=127.0.0.1:{port}"]
        )
        operator.start()
        yield Stage(world, operator, port)


def test_a_reader_reads_and_others_do_not(stage: Stage) -> None:
    """By the shipped roles, with the operator's shipped rights."""
    reader = token_of(stage.world, "scraper", reader=True)
    eventually(lambda: stage.scrape(reader)[0] == 200)
    assert "keywright_leader" in stage.scrape(reader)[1]
    status, text = stage.scrape(token_of(stage.world, "stranger"))
    assert (status, "keywright-metrics-reader" in text) == (403, True)
    assert stage.scrape(None)[0] == 401
    assert stage.scrape("not.a.token")[0] == 401


def test_probes_stay_where_they_were(stage: Stage) -> None:
    """Without a token, and without metrics beside them."""
    assert stage.operator.get("/readyz") == "ok\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        stage.operator.get("/metrics")
