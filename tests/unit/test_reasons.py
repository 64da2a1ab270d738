"""Each reason of a condition or Event is explained in docs/troubleshooting.md, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from keywright.planning.audit import Action
from tests.unit.api.samples import ROOT

_CODE = ROOT / "operator" / "keywright"
# Of lines of the audit log and of requests to the Kubernetes API: no condition has them.
_NO_CONDITIONS = frozenset({"AuditRecord", "ApiError"})


def _trees() -> Iterator[ast.Module]:
    for path in sorted(_CODE.rglob("*.py")):
        if (_CODE / "cli") not in path.parents:
            yield ast.parse(path.read_text(encoding="utf-8"))


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The strings that the module has names for."""
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text)))
            ):
                yield name, text
            case _:
                pass


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _reasons() -> set[str]:
    trees = list(_trees())
    known = {name: text for tree in trees for name, text in _constants(tree)}
    found = {action.value for action in Action}
    for tree in trees:
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or _name(call.func) in _NO_CONDITIONS:
                continue
            for keyword in call.keywords:
                match keyword:
                    case ast.keyword(arg="reason", value=ast.Constant(value=str(text))):
                        found.add(text)
                    case ast.keyword(arg="reason", value=ast.Name(id=name)) if name in known:
                        found.add(known[name])
                    case _:
                        pass
    return {reason for reason in found if reason[:1].isupper()}


def _explained(page: Path) -> list[str]:
    section = page.read_text(encoding="utf-8").partition("\n## Reasons\n")[2]
    return re.findall(r"^### (\w+)$", section, re.MULTILINE)


def test_every_reason_is_explained() -> None:
    """Once each, in alphabetical order."""
    explained = _explained(ROOT / "docs" / "troubleshooting.md")
    assert explained == sorted(explained)
    assert sorted(_reasons() - set(explained)) == []
    assert sorted(set(explained) - _reasons()) == []


def test_a_reason_of_the_code_is_found() -> None:
    """By its text, and by the name of a constant."""
    assert {"SourceNotFound", "KeyLost", "Suspended", "Renewed"} <= _reasons()
    assert "BadRequest" not in _reasons()
