"""SIGKILL before and after every step of the create journal, for a key of another AWS service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.crashes import PHASES, Row, play
from tests.cluster.service_keys import XRAY, tenants
from tests.cluster.test_crash_table import ROWS, WORKS, Scenes
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def scenes(make_world: MakeWorld) -> Iterator[Scenes]:
    """All rows, played in one world."""
    with make_world() as world:
        make = next(tenants(world, name="crash-service"))
        yield play(world, rows=ROWS, works=WORKS, make_tenant=lambda: make(XRAY))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_kill_loses_and_doubles_nothing(row: Row, phase: str, scenes: Scenes) -> None:
    """After the restart: one live key, the Secret holds it, and IAM has no other."""
    scene = scenes[row, phase]
    assert scene.problem == ""
    if scene.work.ends:
        assert bool(scene.left) == scene.work.retained
        return
    assert scene.status["revision"] == scene.work.revision
    assert scene.held == {scene.status["keyId"]}
    assert scene.secret_key == scene.status["keyId"]
    assert scene.worked
    assert scene.left == []
