"""What the source of a test speaks of: its own words, and those of everything that it uses.

Read from the syntax tree, so that nothing need be run: names, attributes, keywords, and the words
of strings. What a test uses is followed through fixtures, constants and functions of its module,
and into other modules of the tests.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TESTS = ROOT / "tests"
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Module:
    """What a module defines at its top, by name, and where it has imported names from."""

    defined: dict[str, ast.stmt]
    imported: dict[str, tuple[Path, str]]


def has_test(file: str, name: str) -> bool:
    """Whether pytest collects that function of that file, below tests/, and does not skip it."""
    path = _TESTS / file
    if not path.name.startswith("test_") or not name.startswith("test_") or not path.exists():
        return False
    found = _module(path).defined.get(name)
    if not isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    skips = {"skip", "xfail"}
    return not any(_words(decorator) & skips for decorator in found.decorator_list)


def words_of(file: str, name: str) -> frozenset[str]:
    """All words of a test of a file below tests/, camel and snake case alike (see `folded`)."""
    return _words_of(_TESTS / file, name)


def folded(word: str) -> str:
    """`batchSize` and `batch_size` as one."""
    return word.replace("_", "").lower()


@cache
def _words_of(path: Path, name: str) -> frozenset[str]:
    seen: set[tuple[Path, str]] = set()
    found: set[str] = set()
    waiting = [(path, name)]
    while waiting:
        at = waiting.pop()
        if at in seen or not at[0].exists():
            continue
        seen.add(at)
        module = _module(at[0])
        if at[1] in module.imported:
            waiting.append(module.imported[at[1]])
        elif at[1] in module.defined:
            node = module.defined[at[1]]
            found |= _words(node)
            waiting += [(at[0], used) for used in _names(node)]
    return frozenset(folded(word) for word in found)


@cache
def _module(path: Path) -> Module:
    defined: dict[str, ast.stmt] = {}
    imported: dict[str, tuple[Path, str]] = {}
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                defined[node.name] = node
            case ast.Assign():
                targets = [name for target in node.targets for name in _names(target)]
                defined |= dict.fromkeys(targets, node)
            case ast.AnnAssign(target=ast.Name(id=target)):
                defined[target] = node
            case ast.ImportFrom(module=str(source)) if source.startswith("tests."):
                file = ROOT / f"{source.replace('.', '/')}.py"
                imported |= {alias.asname or alias.name: (file, alias.name) for alias in node.names}
    return Module(defined, imported)


@cache
def _names(node: ast.AST) -> frozenset[str]:
    """Names that are used, and arguments, which may be fixtures of the same module."""
    return frozenset(
        {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        | {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
    )


@cache
def _words(node: ast.AST) -> frozenset[str]:
    """The words of a piece of code, without those of docstrings: prose proves nothing."""
    prose, found = _docstrings(node), set[str]()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.keyword(arg=str(word)):
                found.add(word)
            case ast.Constant(value=str(text)) if each not in prose:
                found.update(_WORD.findall(text))
    return frozenset(found)


def _docstrings(node: ast.AST) -> set[ast.AST]:
    return {
        each.body[0].value
        for each in ast.walk(node)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and isinstance(each.body[0], ast.Expr)
    }
