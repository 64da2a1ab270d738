"""Checks that every relative link and image of the Markdown files leads somewhere.

And that each test which a page names, as `test_name.py`, exists.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_NAMED_TEST = re.compile(r"`(?:[\w/]+/)?(test_\w+\.py)`")
_HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def broken_links(document: Path) -> list[str]:
    """One sentence for each link that leads nowhere."""
    text = _FENCE.sub("", document.read_text())
    found = []
    for match in _LINK.finditer(text):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if document.is_relative_to(_ROOT / "docs") and ".github" in file.parts:
            # `make docs` fails for such a link.
            found.append(f"{document.relative_to(_ROOT)}: {target}: not part of the site")
        elif not file.exists():
            found.append(f"{document.relative_to(_ROOT)}: {target}: no such file")
        elif fragment and fragment not in _anchors(file):
            found.append(f"{document.relative_to(_ROOT)}: {target}: no such heading")
    return found


def missing_tests(document: Path, *, tests: frozenset[str]) -> list[str]:
    """One sentence for each test file that the page names and that does not exist."""
    named = sorted(set(_NAMED_TEST.findall(document.read_text())) - tests)
    return [f"{document.relative_to(_ROOT)}: {name}: no such test" for name in named]


def _anchors(document: Path) -> set[str]:
    headings = _HEADING.findall(_FENCE.sub("", document.read_text()))
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


def main() -> int:
    """0 where every link leads somewhere."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=_ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    broken = [sentence for name in listed for sentence in broken_links(_ROOT / name)]
    tests = frozenset(path.name for path in (_ROOT / "tests").rglob("test_*.py"))
    pages = [_ROOT / name for name in listed if name != "CHANGELOG.md"]
    broken += [sentence for page in pages for sentence in missing_tests(page, tests=tests)]
    sys.stderr.writelines(f"{sentence}\n" for sentence in broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
