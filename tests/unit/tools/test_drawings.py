"""The drawings of docs/architecture.md follow from the code."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from tests.unit.api.samples import ROOT
from tools.drawings.packages import imports, layers, packages_drawing, reduced
from tools.drawings.recorder import record
from tools.drawings.renewal import Call, renewal_drawing, rows


def test_the_drawing_of_the_packages_is_up_to_date() -> None:
    """It has a box for each package, and is referenced."""
    text = (ROOT / "docs" / "packages.svg").read_text(encoding="utf-8")
    assert text == packages_drawing(), "run make drawings"
    assert set(imports()) == {package for layer in layers() for package in layer}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert "(packages.svg)" in page
    assert "(renewal-path.svg)" in page


def test_an_import_that_a_longer_path_implies_is_left_out() -> None:
    """The others stay."""
    graph = {
        "cli": frozenset({"controller", "api", "sidecar"}),
        "controller": frozenset({"api"}),
        "sidecar": frozenset[str](),
        "api": frozenset[str](),
    }
    assert reduced(graph)["cli"] == {"controller", "sidecar"}
    assert reduced(graph)["controller"] == {"api"}


def test_calls_of_one_module_to_a_package_are_one_row() -> None:
    """Each module once; a later call after other rows begins a row of its own."""
    state, write = ("controller.grants", "state"), ("controller.grants", "write")
    calls = [
        Call("controller", "key_runner", "controller.grants", "reconcile"),
        Call(*state, "planning", "renewal"),
        Call(*state, "api", "times"),
        Call("cli", "run", "planning", "decide"),
        Call(*state, "secrets", "drift"),
        Call(*state, "planning", "contest"),
        Call(*state, "planning", "renewal"),
        Call(*write, "cluster", "objects"),
    ]
    found = rows(calls)
    assert [(row.from_module, row.to_package, row.modules) for row in found] == [
        ("key_runner", "controller.grants", ["reconcile"]),
        ("state", "planning", ["renewal", "contest"]),
        ("state", "secrets", ["drift"]),
        ("write", "cluster", ["objects"]),
    ]
    drawing = ElementTree.fromstring(renewal_drawing(found))  # noqa: S314  our own
    shown = [element.text for element in drawing.iter() if element.text]
    assert "state calls renewal, contest" in shown


def test_calls_between_packages_are_recorded(tmp_path: Path) -> None:
    """Only those of the operator's own code, with the nearest caller in it."""
    product = tmp_path / "keywright"
    for name, text in {
        "planning/decide.py": "def decide():\n    return _inner()\ndef _inner():\n    return 1\n",
        "controller/grants/state.py": "def build(call):\n    return call()\n",
    }.items():
        (product / name).parent.mkdir(parents=True, exist_ok=True)
        (product / name).write_text(text)
    spaces: list[dict[str, object]] = []
    for path in sorted(product.rglob("*.py")):
        space: dict[str, object] = {}
        exec(compile(path.read_text(), str(path), "exec"), space)  # noqa: S102  written above
        spaces.append(space)
    build, decide = spaces[0]["build"], spaces[1]["decide"]
    assert callable(build)
    file = tmp_path / "calls.tsv"
    before = sys.getprofile()
    with file.open("w", encoding="utf-8") as output:
        try:
            record(output)
            build(decide)
        finally:
            sys.setprofile(before)
            threading.setprofile(cast("Any", None))
    lines = [line.split("\t")[1:] for line in file.read_text().splitlines()]
    assert lines == [["controller.grants.state.build", "planning.decide.decide"]]
