"""Each planted mistake is found, at its place, by its rule, with a cure, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keywright.cli.linting.engine import LintResult, lint
from keywright.cli.linting.rules import DEPRECATED_FIELD, RULES
from keywright.cli.manifest_reader import read_paths

OPERATOR = ("keywright-system", "keywright")
FOLDER = Path(__file__).parents[1] / "lint_cases"
BASE = FOLDER / "_base.yaml"
CASES = sorted(path for path in FOLDER.glob("*.yaml") if path != BASE)
_EXPECTED = re.compile(r"# expect: (KW[0-9]{3})")


def lint_paths(*paths: Path) -> LintResult:
    """Lint as the command does."""
    return lint(read_paths(map(str, paths)), operator=OPERATOR)


def _expected(case: Path) -> list[tuple[str, int, str]]:
    return [
        (str(case), number, found[1])
        for number, line in enumerate(case.read_text().splitlines(), start=1)
        for found in _EXPECTED.finditer(line)
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_planted_mistake_is_found_at_its_line(case: Path) -> None:
    """A comment at the line of the mistake names the rule."""
    found = lint_paths(BASE, case).findings
    shown = [(each.position.file, each.position.line, each.rule.id) for each in found]
    assert shown == _expected(case), [f"{each.position}: {each.message}" for each in found]
    assert all(each.cure and each.message and each.position.column for each in found)


def test_there_are_fifty_cases_and_more() -> None:
    """At least one for each rule, except for fields that no version has deprecated yet."""
    expected = [each for case in CASES for each in _expected(case)]
    assert len(CASES) >= 50
    assert {rule for _, _, rule in expected} == set(RULES) - {DEPRECATED_FIELD.id}


def test_the_surroundings_of_the_cases_have_no_findings() -> None:
    """Otherwise a case could not be distinguished from them."""
    assert lint_paths(BASE).findings == ()
