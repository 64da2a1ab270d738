"""Operators that are killed at named requests: many at once, each in a namespace of its own.

A row of a table is a step of the journal, what is under way, and the request to be killed at. All
rows of a table are played in one world: what must be there before is made by one whole operator,
then each row has its doomed operator, and in the end one whole operator finds all that they left.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from testbed.operators import OperatorProcess
from testbed.world import ROOT, World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Document

PHASES = ("before", "after")
# A crash leaves unknowns; a listing that lacks a key is believed after half a minute.
_SECONDS = 60.0
_LIFE_SECONDS = 40.0
_LIVES_AT_ONCE = 6
_PROGRAM = "tests.cluster.killed_operator"


class Victim(Protocol):
    """A tenant whose operator dies."""

    namespace: str
    world: World

    def grant_path(self) -> str:
        """The URL path of its grant."""

    def secret(self) -> Document:
        """The grant's Secret."""

    def reported(self, type_: str, *, seconds: float, and_: Callable[[Document], bool]) -> Document:
        """The status once a condition holds."""

    def live_keys(self) -> set[str]:
        """The ids of all keys in the cloud that were made for the grant."""

    def works(self) -> bool:
        """Whether a reader of the Secret is served."""

    def leftovers(self) -> list[str]:
        """What is in the cloud of the grant."""


_Tenant = TypeVar("_Tenant", bound=Victim)


@dataclass(frozen=True, slots=True)
class Row:
    """A step by its name, what is under way when it comes, and the request to be killed at."""

    step: str
    work: str
    request: str

    def __str__(self) -> str:
        """As part of the name of a test."""
        return f"{self.step}-{self.work}-{self.request.replace(' ', '-').replace('/', '')}"


@dataclass(frozen=True, slots=True)
class Work(Generic[_Tenant]):
    """What is under way: `make` comes first, and is Ready under a whole operator if `made`.

    `lives` does what the author of the grant does and yields the request that ends each life.
    """

    make: Callable[[_Tenant], None]
    lives: Callable[[_Tenant, str], Iterator[str]]
    made: bool = True
    revision: int = 2
    ends: bool = False
    retained: bool = False


@dataclass(slots=True)
class Scene(Generic[_Tenant]):
    """One row before or after its request, and what came of it."""

    row: Row
    phase: str
    work: Work[_Tenant]
    tenant: _Tenant
    problem: str = ""
    status: Document = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    secret_key: str = ""
    worked: bool = False
    left: list[str] = field(default_factory=list)


def play(
    world: World,
    *,
    rows: Sequence[Row],
    works: dict[str, Work[_Tenant]],
    make_tenant: Callable[[], _Tenant],
) -> dict[tuple[Row, str], Scene[_Tenant]]:
    """Every row of a table, before and after its request."""
    scenes = [Scene(row, phase, works[row.work], make_tenant()) for row in rows for phase in PHASES]
    whole = world.operator(arguments=DEBUG, fork="keywright")
    _make(scenes, made=True)
    whole.start()
    _each([scene for scene in scenes if scene.work.made], _is_ready)
    whole.kill()
    _make(scenes, made=False)
    _end_lives(world, scenes)
    whole.start()
    staying = [scene for scene in scenes if not scene.work.ends]
    _each(staying, _settle)
    _each(staying, lambda scene: world.api.delete(scene.tenant.grant_path()))
    _each(scenes, _see_it_gone)
    whole.kill()
    return {(scene.row, scene.phase): scene for scene in scenes}


def _make(scenes: Sequence[Scene[Any]], *, made: bool) -> None:
    for scene in scenes:
        if scene.work.made is made:
            scene.work.make(scene.tenant)


def _each(scenes: Sequence[Scene[Any]], step: Callable[[Scene[Any]], object]) -> None:
    """Take a step in every scene; one that fails is its own test's affair, and no other's."""
    for scene in scenes:
        if not scene.problem:
            try:
                step(scene)
            except AssertionError as error:
                scene.problem = str(error)


def _is_ready(scene: Scene[Any]) -> None:
    scene.tenant.reported("Ready", seconds=_SECONDS, and_=bool)


def _settle(scene: Scene[Any]) -> None:
    """Wait for what the whole operator makes of it."""

    def settled(status: Document) -> bool:
        return (
            status["revision"] >= scene.work.revision
            and not status.get("retiring")
            and "pending" not in status
        )

    tenant = scene.tenant
    scene.status = tenant.reported("Ready", seconds=_SECONDS, and_=settled)
    scene.held = tenant.live_keys()
    scene.secret_key = tenant.secret()["metadata"]["annotations"]["keywright.dev/key-id"]
    scene.worked = tenant.works()
    # The value of a retired key goes with the write after its removal.
    eventually(lambda: not _previous(tenant), seconds=_SECONDS)


def _previous(tenant: Victim) -> str:
    annotations = tenant.secret()["metadata"]["annotations"]
    return str(annotations.get("keywright.dev/previous-key", ""))


def _see_it_gone(scene: Scene[Any]) -> None:
    path = scene.tenant.grant_path()
    eventually(lambda: not scene.tenant.world.api.exists(path), seconds=_SECONDS)
    scene.left = scene.tenant.leftovers()


@dataclass(slots=True)
class _Life:
    """A doomed operator, and the scene that it is in."""

    scene: Scene[Any]
    deaths: Iterator[str]
    operator: OperatorProcess
    until: float


def _end_lives(world: World, scenes: Sequence[Scene[Any]]) -> None:
    """Play all lives to their ends, a few at once."""
    waiting = [(scene, _deaths(scene)) for scene in scenes if not scene.problem]
    running: list[_Life] = []
    while waiting or running:
        while waiting and len(running) < _LIVES_AT_ONCE:
            scene, deaths = waiting.pop(0)
            at = next(deaths, None)
            if at is not None:
                operator = _doomed(world, scene, at=at)
                running.append(_Life(scene, deaths, operator, time.monotonic() + _LIFE_SECONDS))
        if not running:
            break
        over = eventually(lambda: [life for life in running if _is_over(life)], seconds=120)
        for life in over:
            running.remove(life)
            code = life.operator.process.exit_code
            if code == -signal.SIGKILL:
                waiting.insert(0, (life.scene, life.deaths))
                continue
            life.operator.kill()
            life.scene.problem = f"did not die ({code}): {life.operator.process.log_end(lines=5)}"


def _deaths(scene: Scene[Any]) -> Iterator[str]:
    return scene.work.lives(scene.tenant, f"{scene.phase} {scene.row.request}")


def _is_over(life: _Life) -> bool:
    return life.operator.process.exit_code is not None or time.monotonic() > life.until


def _doomed(world: World, scene: Scene[Any], *, at: str) -> OperatorProcess:
    """An operator of that namespace alone, which holds no Lease and ends at that request."""
    path = os.pathsep.join((str(ROOT / "operator"), str(ROOT)))
    namespace = scene.tenant.namespace
    operator = world.operator(
        identity=f"doomed-{namespace}",
        arguments=(*DEBUG, f"--namespace={namespace}", "--no-leader-election"),
        fork=_PROGRAM,
        environment={"KILL_AT": at, "PYTHONPATH": path},
    )
    operator.spawn()
    return operator
