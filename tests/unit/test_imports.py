"""Modules import each other in one direction, also within a package.

A cycle breaks whichever module is imported first; import-linter compares packages only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.unit.api.samples import ROOT


def modules(root: Path) -> dict[str, Path]:
    """The modules below a directory, by their full names; a package by its __init__.py."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The statements that run when the module is imported, those for type checkers excepted."""
    for statement in body:
        match statement:
            case ast.Import() | ast.ImportFrom():
                yield statement
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imports(statement.orelse)
            case ast.If():
                yield from _imports([*statement.body, *statement.orelse])
            case ast.Try():
                yield from _imports([*statement.body, *statement.orelse])
            case ast.ClassDef() | ast.With():
                yield from _imports(statement.body)
            case _:
                pass


def _imported(statement: ast.Import | ast.ImportFrom, known: Mapping[str, Path]) -> Iterator[str]:
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            yield alias.name
        elif statement.module is not None and f"{statement.module}.{alias.name}" in known:
            yield f"{statement.module}.{alias.name}"
        elif statement.module is not None:
            yield statement.module


def _packages(name: str) -> Iterator[str]:
    """The packages that Python imports before a module."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts)))


def cycle(root: Path) -> list[str]:
    """The modules of one cycle; empty if there is none."""
    known = modules(root)
    graph = {}
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = {each for one in _imports(tree.body) for each in _imported(one, known)}
        inner = {package for each in found for package in _packages(each)}
        # A module's own packages are being imported already.
        graph[name] = ((found | inner) & known.keys()) - {name, *_packages(name)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    """Each module of the operator can be imported first."""
    assert len(modules(ROOT / "operator")) > 250
    assert cycle(ROOT / "operator") == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": "import p.b\n", "b": "from p import a\n"}, {"p.a", "p.b"}),
        ({"a": "from p.b import x\n", "b": "from p.c import y\n", "c": "import p.a\n"}, None),
        ({"a": "try:\n    import p.b\nexcept ImportError: pass\n", "b": "import p.a\n"}, None),
        ({"a": "import p.b\n", "b": "def f():\n    import p.a\n"}, set()),
        (
            {"a": "import p.b\n", "b": "if TYPE_CHECKING:\n    import p.a\n"},
            set(),
        ),
        ({"__init__": "from p.a import x\n", "a": "import p.b\n", "b": ""}, set()),
    ],
    ids=["two", "three", "in a try", "in a function", "for types", "of a package"],
)
def test_the_check_finds_a_cycle(
    tmp_path: Path, files: dict[str, str], expected: set[str] | None
) -> None:
    """Also one over three modules; imports that run later are no cycle."""
    folder = tmp_path / "p"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    found = set(cycle(tmp_path))
    assert found == ({f"p.{name}" for name in files} if expected is None else expected)


# Each takes a tenth of a second or ten megabytes, and is imported where it is first needed.
_LATER = (
    "alibabacloud_credentials",
    "boto3",
    "botocore",
    "cryptography",
    "opentelemetry",
    "uvloop",
)


def test_an_operator_that_starts_imports_no_library_that_it_may_not_need() -> None:
    """Its start, and the memory of a standby, are measured in docs/performance.md."""
    program = (
        "import sys, keywright.cli.run, keywright.controller.process;"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "operator")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    loaded = ast.literal_eval(found)
    assert "kopf" in loaded
    assert [name for name in _LATER if name in loaded] == []
