"""How tests are distributed to workers: files together, except for the spread ones."""

from __future__ import annotations

import re

import pytest

from tests.schedule import SPREAD, named_files, scope_of
from tests.unit.api.samples import ROOT


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
