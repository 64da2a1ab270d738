"""How tests are distributed to workers: files together, except for the spread ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schedule import SPREAD, named_files, scope_of
from tests.unit.api.samples import ROOT

_FILES = {
    "test_a.py": "import os\ndef test_1(): ...\ndef test_2(): os._exit(9)\ndef test_3(): ...\n",
    **{f"test_{name}.py": "def test_1(): ...\ndef test_2(): ...\n" for name in "bcdefgh"},
}


def test_a_worker_that_dies_fails_one_test_and_stops_nothing(tmp_path: Path) -> None:
    """Its other tests run elsewhere, and each of the run's workers comes to its end."""
    result = _run(tmp_path, _FILES, "--numprocesses=2", "--dist=loadfile", "-ptests.schedule")
    assert "1 failed, 16 passed" in result.stdout, result.stdout + result.stderr
    assert "crashed while running 'test_a.py::test_2'" in result.stdout


def test_a_test_that_no_timeout_ends_is_ended_with_its_process(tmp_path: Path) -> None:
    """Waiting again in a clean-up is the kind: the exception of the timeout comes once."""
    hanging = """
import threading
def test_it():
    try:
        threading.Event().wait()
    finally:
        threading.Event().wait()
"""
    conftest = """
import tests.watchdog
from tests.watchdog import pytest_runtest_protocol
tests.watchdog._GRACE = 0.5
def pytest_configure(config):
    tests.watchdog.keep_stderr(config)
"""
    files = {"test_it.py": hanging, "conftest.py": conftest}
    result = _run(tmp_path, files, "--timeout=0.5", "-otimeout=0.5")
    assert result.returncode == 1
    assert re.search(r'File ".*test_it.py", line 7 in test_it', result.stderr), result.stderr


def _run(folder: Path, files: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir=.", "-pno:randomly", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_tables_name_files_that_exist() -> None:
    """A renamed file would lose its place without notice."""
    assert [name for name in sorted(named_files()) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("file", sorted(SPREAD))
def test_a_spread_file_shares_nothing_between_its_tests(file: str) -> None:
    """A fixture of the module would start once in each worker."""
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"scope=.(module|package)|make_world", text)


def test_the_tests_of_other_files_stay_together() -> None:
    """They share the world that the file starts."""
    together = "tests/cluster/test_crash_table.py"
    assert scope_of(f"{together}::test_a_kill[one]") == scope_of(f"{together}::test_a_kill[two]")
    spread = min(SPREAD)
    assert scope_of(f"{spread}::test_one[a]") != scope_of(f"{spread}::test_one[b]")
