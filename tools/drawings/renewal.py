"""A trace of one renewal in a running operator, and its drawing as a sequence of calls."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from testbed.clusters.controlplane import ControlPlaneCluster
from testbed.world import CRDS, ROOT, World
from tests.cluster.tenants import Tenant
from tools.drawings import svg

_LANES: Final = ("controller", "controller.grants", "planning", "clouds", "cluster", "secrets")
# Functions of values, and helpers that every stage calls.
_HELPERS: Final = ("api", "telemetry", "cli", "controller")
_MERGED_WITHIN: Final = 3
_LANE_WIDTH: Final = 124
_ROW: Final = 36
_HEAD: Final = 64
_CHARACTER: Final = 6.6
_SITE: Final = """\
from tools.drawings.recorder import record
record(open({file!r}, "a", buffering=1, encoding="utf-8"))
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A call from one package to another; modules are relative to their package."""

    from_package: str
    from_module: str
    to_package: str
    to_module: str


@dataclass(slots=True)
class Row:
    """Calls of one module to modules of another package, one after the other."""

    from_package: str
    from_module: str
    to_package: str
    modules: list[str] = field(default_factory=list)


def record_renewal() -> list[Call]:
    """Run an operator, request a renewal of a Ready grant, and return the calls of it."""
    with World(lambda directory: ControlPlaneCluster(directory, crds=CRDS)) as world:
        folder = world.directory / "recorder"
        folder.mkdir()
        file = folder / "calls.tsv"
        (folder / "sitecustomize.py").write_text(_SITE.format(file=str(file)))
        paths = (world.client_environment().get("PYTHONPATH", ""), str(folder), str(ROOT))
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        world.operator(environment=environment).start()
        tenant = Tenant(world, name="chat")
        tenant.prepare()
        tenant.become_ready()
        # The status of the first key is written, and the request is later than its second.
        time.sleep(2)
        began = time.time()
        requested = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
        tenant.annotate_grant(**{"keywright.dev/renew-requested-at": requested})
        tenant.revision(2)
        time.sleep(0.5)
        return _calls(file, since=began)


def _calls(file: Path, *, since: float) -> list[Call]:
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        at, caller, called = line.split("\t")
        if float(at) >= since:
            found.append(Call(*_split(caller), *_split(called)))
    return found


def _split(place: str) -> tuple[str, str]:
    """Package and module of a function."""
    package = next((lane for lane in reversed(_LANES) if place.startswith(f"{lane}.")), "")
    package = package or place.partition(".")[0]
    return package, place.removeprefix(f"{package}.").rpartition(".")[0]


def rows(calls: Iterable[Call]) -> list[Row]:
    """The first call of each module by each caller; helpers are left out."""
    found: list[Row] = []
    seen: set[tuple[str, str, str]] = set()
    for call in calls:
        begins = call.to_module == "reconcile"
        if not begins and (call.to_package in _HELPERS or call.from_package in _HELPERS):
            continue
        key = (call.from_module, call.to_package, call.to_module)
        if key in seen:
            continue
        seen.add(key)
        _row_for(call, found).modules.append(call.to_module)
    return found


def _row_for(call: Call, found: list[Row]) -> Row:
    """The row that the call continues, or a new one."""
    ends = (call.from_package, call.from_module, call.to_package)
    for row in found[-_MERGED_WITHIN:]:
        if (row.from_package, row.from_module, row.to_package) == ends:
            return row
    found.append(Row(*ends))
    return found[-1]


def renewal_drawing(found: Sequence[Row]) -> str:
    """The lanes of the packages, and an arrow for each row."""
    width = _LANE_WIDTH * len(_LANES)
    height = _HEAD + _ROW * len(found) + 24
    parts = []
    for number, lane in enumerate(_LANES):
        x = _lane(lane)
        parts.append(svg.lane(x, 40, height - 12))
        kind = "pure" if lane in {"planning", "secrets"} else "io"
        kind = "box" if number < len(("controller", "controller.grants")) else kind
        parts.append(svg.box(x - 58, 10, 116, 30, kind))
        parts.append(svg.text(x, 30, lane, "small", anchor="middle"))
    for number, row in enumerate(found):
        y = _HEAD + _ROW * (number + 1) - 8
        start, end = _lane(row.from_package), _lane(row.to_package)
        parts.append(svg.arrow(start, y, end, y))
        parts.append(_label(row, y=y - 7, left=min(start, end) + 8, width=width))
    return svg.drawing(
        parts,
        width=width,
        height=height,
        title="The calls between packages in one renewal, from a trace",
    )


def _label(row: Row, *, y: float, left: float, width: float) -> str:
    words = f"{row.from_module} calls {', '.join(row.modules)}"
    room = width - 8 - left
    if len(words) * _CHARACTER > room:
        return svg.text(width - 8, y, words, "small halo", anchor="end")
    return svg.text(left, y, words, "small halo")


def _lane(package: str) -> float:
    return _LANE_WIDTH * (_LANES.index(package) + 0.5)
