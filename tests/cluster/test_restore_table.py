"""Each way to restore grants ends Ready on a key that exists, and costs the keys the guide states.

On the real API server, with its garbage collector; a copy of etcd stands for a snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.clusters.controlplane import ControlPlaneCluster
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.conftest import DEBUG
from tests.cluster.restores import KINDS, SHORT, Cell, Row, Stage, expected, rows
from tests.cluster.second_cluster import TAKE_OVER, cluster_id, restored_into, second_cluster
from tests.cluster.tenants import Document, condition
from tests.cluster.worlds import MakeWorld

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
HEADING = "### What a restore costs"
SNAPSHOT = Row("etcd snapshot", old=True)
SECOND = (
    Row("second cluster, without ownerReferences, with status"),
    Row("second cluster, without ownerReferences, without status", with_status=False),
    Row("second cluster, with ownerReferences, with status", owned=True),
    Row("second cluster, with ownerReferences, without status", owned=True, with_status=False),
)
KEPT_KINDS = tuple(kind for kind in KINDS if kind != SHORT)
STALLED = "OwnedByAnotherCluster"
_OPTIONS = (*DEBUG, "--verify-spread=1s", "--cloud-delay-scale=0.02")
_ROWS = (*rows(), SNAPSHOT)
Table = dict[tuple[str, str], "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell; `problem` is empty where it is settled."""

    problem: str
    status: Document
    issued: int
    works: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """The first cluster after all restores, with an operator, and grants that were left alone."""

    world: World
    operator: OperatorProcess
    table: Table
    untouched: tuple[tuple[Row, Cell], ...]


@pytest.fixture(scope="module")
def scene(make_world: MakeWorld) -> Iterator[Scene]:
    """All cells, restored together while no operator ran, and settled after its start."""
    with make_world() as world:
        if not isinstance(world.cluster, ControlPlaneCluster):
            pytest.skip("a snapshot of etcd needs a control plane of our own")
        yield _play(world, world.cluster)


@pytest.fixture(scope="module")
def second(scene: Scene, make_world: MakeWorld) -> Iterator[Taken]:
    """Grants of the first cluster, restored into another one and taken over."""
    with second_cluster(make_world, scene.world) as world:
        yield _take_over(scene, world)


def _play(world: World, cluster: ControlPlaneCluster) -> Scene:
    operator = world.operator(arguments=_OPTIONS, fork="keywright")
    operator.start()
    stage = Stage.of(world)
    cells = [
        (row, stage.cell(kind, f"row-{number}"))
        for number, row in enumerate((*_ROWS, *SECOND))
        for kind in KINDS
        if row not in SECOND or kind != SHORT
    ]
    for _, cell in cells:
        cell.apply()
    for _, cell in cells:
        cell.ready()
        cell.back_up()
    operator.kill()
    snapshot = cluster.snapshot()
    operator.start()
    moved = [(row, cell) for row, cell in cells if row not in SECOND]
    _move_on(moved)
    operator.kill()
    before = {
        (row.label, cell.kind): cell.backed_up | (set() if row.deleted else cell.keys())
        for row, cell in moved
    }
    cluster.restore(snapshot)
    _restore(moved, world)
    operator.start()
    table = {
        (row.label, cell.kind): _settled(cell, before[row.label, cell.kind]) for row, cell in moved
    }
    return Scene(world, operator, table, tuple(each for each in cells if each[0] in SECOND))


def _move_on(cells: list[tuple[Row, Cell]]) -> None:
    """What happens after the backup: keys are rotated, grants deleted."""
    for row, cell in cells:
        if row.deleted:
            cell.delete()
        elif row.old:
            cell.ask_for_renewal()
    for row, cell in cells:
        if row.deleted:
            cell.gone()
        elif row.old:
            cell.ready(lambda status: status.get("revision") == 2 and not status.get("retiring"))


def _restore(cells: list[tuple[Row, Cell]], world: World) -> None:
    """Everything but the rows of the snapshot is lost, and restored from the backup."""
    lost = [(row, cell) for row, cell in cells if row is not SNAPSHOT]
    for _, cell in lost:
        cell.lose()
    for _, cell in lost:
        cell.gone()
    for row, cell in lost:
        cell.restore(row, world)


def _settled(cell: Cell, before: set[str]) -> Outcome:
    """The cell once Secret, status and cloud agree, or after a minute."""
    deadline = time.monotonic() + 60
    while (problem := cell.problem()) and time.monotonic() < deadline:
        time.sleep(0.2)
    issued = len(cell.keys() - before)
    return Outcome(problem, cell.status(), issued, not problem and cell.works())


@dataclass(frozen=True, slots=True)
class Taken:
    """The second cluster: what its grants said before the annotation, and became after it."""

    world: World
    stalled: dict[tuple[str, str], Document]
    untouched: dict[tuple[str, str], bool]
    table: Table
    cells: dict[tuple[str, str], Cell]


def _take_over(scene: Scene, world: World) -> Taken:
    before = {(row.label, cell.kind): cell.keys() for row, cell in scene.untouched}
    cells = {
        (row.label, cell.kind): restored_into(world, cell, row) for row, cell in scene.untouched
    }
    operator = world.operator(identity="keywright-second", arguments=_OPTIONS, fork="keywright")
    operator.start()
    stalled = {name: _stalled(cell) for name, cell in cells.items()}
    untouched = {
        (row.label, cell.kind): before[row.label, cell.kind] <= cell.keys() and cell.works()
        for row, cell in scene.untouched
    }
    for cell in cells.values():
        cell.tenant.annotate_grant(name=cell.name, **{TAKE_OVER: cluster_id(scene.world)})
    table = {name: _settled(cell, before[name]) for name, cell in cells.items()}
    return Taken(world, stalled, untouched, table, cells)


def _stalled(cell: Cell) -> Document:
    return condition(
        cell.tenant.reported("Stalled", reason=STALLED, name=cell.name, seconds=40), "Stalled"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row.label)
def test_it_is_ready_on_a_key_that_exists(scene: Scene, row: Row, kind: str) -> None:
    """Without an orphan, and by as many new keys as the guide says."""
    found = scene.table[row.label, kind]
    assert found.problem == ""
    assert found.works
    assert found.issued == expected(heading=HEADING)[row.label, kind]


@pytest.mark.parametrize("kind", KEPT_KINDS)
@pytest.mark.parametrize("row", SECOND, ids=lambda row: row.label)
def test_a_second_cluster_takes_keys_over_when_it_is_told_to(
    second: Taken, row: Row, kind: str
) -> None:
    """Until then its grant is Stalled, and the keys of the first one stay as they are."""
    name = (row.label, kind)
    assert TAKE_OVER in second.stalled[name]["message"]
    assert second.untouched[name]
    found = second.table[name]
    assert found.problem == ""
    assert found.works
    assert found.issued == expected(heading=HEADING)[name]
    assert found.status["clusterId"] == cluster_id(second.world)


def test_the_first_cluster_leaves_what_was_taken_over(scene: Scene, second: Taken) -> None:
    """A renewal that is requested there is refused, and the key of the second one works on."""
    for _, cell in scene.untouched:
        cell.ask_for_renewal()
    for row, cell in scene.untouched:
        _stalled(cell)
        taken = second.cells[row.label, cell.kind]
        assert taken.problem() == ""
        assert taken.works()


def test_the_guide_has_every_row() -> None:
    """And no other."""
    labels = {label for label, _ in expected(heading=HEADING)}
    assert labels == {row.label for row in (*_ROWS, *SECOND)}
