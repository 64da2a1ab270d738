"""The build stage of the Dockerfile: what it reads from the base image, and what it leaves."""

from __future__ import annotations

import csv
import os
import re
import sys
from pathlib import Path

import pytest

from image import in_container, tree
from image.build import prepared_dockerfile
from image.seal import seal

_DOCKERFILE = (tree.ROOT / "Dockerfile").read_text()
_OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def _base(root: Path, *, folder: str, python: str) -> Path:
    (root / folder).mkdir(parents=True)
    (root / folder / "python3").symlink_to(python)
    return root


@pytest.mark.parametrize(
    ("folder", "python"),
    [("usr/local/bin", "python3.12"), ("usr/bin", "python3.11"), ("usr/bin", "/bin/python3.14")],
    ids=["official image", "Debian", "absolute link"],
)
def test_the_python_of_the_base_is_read_from_its_file_names(
    tmp_path: Path, folder: str, python: str
) -> None:
    """Nothing of the base is executed, because it can be of another architecture."""
    base = _base(tmp_path, folder=folder, python=python)
    assert in_container.python_in(base) == python.rpartition("python")[2]


def test_a_base_without_python_is_refused(tmp_path: Path) -> None:
    """The message names the build argument."""
    with pytest.raises(in_container.WrongPythonError, match="BASE_IMAGE has no link python3"):
        in_container.python_in(tmp_path)


def test_bytecode_for_another_python_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is installed; the message names both build arguments and versions."""
    base = _base(tmp_path / "base", folder="usr/bin", python="python3.99")
    into = tmp_path / "app"
    assert in_container.main(["--base", str(base), "--into", str(into)]) == 1
    error = capsys.readouterr().err
    assert f"BASE_IMAGE has Python 3.99 and BUILD_IMAGE has {_OWN}" in error
    assert not into.exists()


def _application(folder: Path, *, mode: int, time: int) -> Path:
    folder.mkdir(mode=mode | 0o300, parents=True)
    module = folder / "module.py"
    module.write_text("VALUE = ('a', 1.5, {'b'})\n")
    module.chmod(mode)
    os.utime(module, (time, time))
    return folder


def test_the_same_files_give_the_same_layer(tmp_path: Path) -> None:
    """Time, umask and place of the build change neither bytecode nor metadata."""
    first = _application(tmp_path / "first" / "app", mode=0o600, time=1_000_000_000)
    second = _application(tmp_path / "second" / "x" / "app", mode=0o644, time=1_700_000_000)
    found = []
    for folder in (first, second):
        seal(folder)
        found.append(
            {
                path.relative_to(folder): (
                    path.read_bytes() if path.is_file() else b"",
                    path.stat().st_mode,
                    path.stat().st_mtime,
                )
                for path in (folder, *folder.rglob("*"))
            }
        )
    assert found[0] == found[1]
    assert any(path.suffix == ".pyc" for path in found[0])


def test_a_module_that_cannot_be_compiled_fails_the_build(tmp_path: Path) -> None:
    """Such an operator would fail at its start."""
    (tmp_path / "module.py").write_text("x = = 1\n")
    with pytest.raises(RuntimeError, match="cannot be compiled"):
        seal(tmp_path)


def test_records_list_only_files_of_the_image(tmp_path: Path) -> None:
    """Scanners compare them; the hash of a command also depends on the machine of the build."""
    information = tmp_path / "thing-1.0.dist-info"
    information.mkdir()
    (tmp_path / "thing.py").touch()
    record = information / "RECORD"
    record.write_text(
        "../../bin/sh,sha256=abc,10\nthing.py,sha256=def,0\nthing/trimmed.json,sha256=ghi,5\n"
    )
    tree.list_only_files_that_exist(tmp_path)
    assert list(csv.reader(record.read_text().splitlines())) == [["thing.py", "sha256=def", "0"]]


def test_both_ways_to_build_end_with_the_same_stage() -> None:
    """`make image` replaces the build stages alone, and no stage of it needs a network."""
    prepared = prepared_dockerfile()
    last = _DOCKERFILE.rpartition("\nFROM base\n")[2]
    assert "ENTRYPOINT" in last
    assert prepared.endswith(f"\nFROM base\n{last}")
    assert "--mount" not in prepared
    assert re.findall(r"^FROM .*", prepared, re.MULTILINE) == [
        "FROM ${BASE_IMAGE} AS base",
        "FROM base AS build",
        "FROM base",
    ]


def test_the_dockerfile_names_no_frontend() -> None:
    """A `# syntax=` line would pull an image from a registry."""
    assert "syntax=" not in _DOCKERFILE
