"""Check the words of docs, CRDs, manifests and code against a list.

The code of the operator, the testbed, the tools and the tests is checked in its strings (log
messages, conditions, names of test cases), docstrings and comments.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[1]
_DOCS: Final = ("*.md", "docs/**/*.md", "examples/**/*.md", "crds/*.yaml", "manifests/**/*.yaml")
_CODE: Final = (
    "operator/keywright/**/*.py",
    *(f"{top}/**/*.py" for top in ("testbed", "tests", "tools")),
)
_LIST: Final = ("tests/words.py", "tests/unit/test_words.py")
"""The list itself and its tests: they name the words."""

BANNED: Final = {
    r"told": "is reported, is logged, is written to the status",
    r"tells? (?:of|so)": "reports, shows",
    r"anew": "again",
    r"nobody(?:'s)?": "no client, no owner; name the noun",
    r"somebody(?: else)?(?:'s)?": "another client; name the noun",
    r"whoever": "anyone who; name the role",
    r"for ever": "permanently, without end",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"whom": "name the noun",
    r"in hand": "in progress",
    r"a mistake of ours": "unexpected error",
    r"put off": "delayed, postponed",
    r"stands? (?:in|at|beside)": "is in, is next to",
    r"(?:key|session|credential|token)s? (?:that )?lives?": "is valid",
    r"who we are": "the cloud identity",
    r"census|ghosts?|the office": "name the mechanism",
    r"to be had": "available",
    r"at the most": "at most",
}
"""A regular expression of each word, and the term to use in its place."""

_GROUPS: Final = "|".join(f"(?P<w{number}>{word})" for number, word in enumerate(BANNED))
_PATTERN: Final = re.compile(rf"\b(?:{_GROUPS})\b", re.IGNORECASE)
_TERMS: Final = list(BANNED.values())


@dataclass(frozen=True, slots=True)
class Hit:
    """A banned word in a file."""

    path: Path
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        """As a compiler would print it."""
        return f"{self.path}:{self.line}: {self.word!r}: write {self.instead}"


def hits_of(text: str, *, path: Path, first_line: int = 1) -> Iterator[Hit]:
    """Yield the banned words of a text, code in backticks and names of tests left out."""
    plain = re.sub(r"`[^`\n]*`|[\w]+(?:-[\w]+){3,}", lambda found: " " * len(found[0]), text)
    for found in _PATTERN.finditer(plain):
        number = int((found.lastgroup or "w0")[1:])
        line = first_line + plain.count("\n", 0, found.start())
        yield Hit(path, line, found[0], _TERMS[number])


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each string, docstring and comment in Python source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def check(root: Path) -> list[Hit]:
    """Return the banned words in the docs, and in the strings and comments of the code."""
    found: list[Hit] = []
    for pattern in _DOCS:
        for path in sorted(root.glob(pattern)):
            found += hits_of(path.read_text(), path=path.relative_to(root))
    for path in sorted(path for pattern in _CODE for path in root.glob(pattern)):
        name = path.relative_to(root)
        if name.as_posix() not in _LIST:
            for line, value in texts_of(path.read_text()):
                found += hits_of(value, path=name, first_line=line)
    return found


def main() -> int:
    """Print the hits; return 1 if there are any."""
    found = check(_ROOT)
    for hit in found:
        print(hit)  # noqa: T201  a program
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
