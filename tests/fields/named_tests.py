"""Whether a test that a table names is one that pytest collects, read from its source."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

_TESTS = Path(__file__).parents[1]
_SKIPS = frozenset({"skip", "xfail"})


def has_test(file: str, name: str) -> bool:
    """Whether pytest collects that function of a file below tests/, and does not skip it."""
    path = _TESTS / file
    if not path.name.startswith("test_") or not name.startswith("test_") or not path.exists():
        return False
    found = _functions(path).get(name)
    return found is not None and not any(map(_skips, found.decorator_list))


@cache
def _functions(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {
        node.name: node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _skips(decorator: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in _SKIPS for node in ast.walk(decorator)
    )
