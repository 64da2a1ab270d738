"""`make reference`: write the generated pages of docs/ from the code and the CRDs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.reference.commands import commands_page
from tools.reference.layouts import layouts_page
from tools.reference.marks import marks_page
from tools.reference.metrics import metrics_page
from tools.reference.recipes import recipes_page
from tools.reference.resources import resource_page

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "reference/credentialsource.md": lambda: resource_page("credentialsources"),
    "reference/apikeygrant.md": lambda: resource_page("apikeygrants"),
    "reference/formats.md": layouts_page,
    "reference/commands.md": commands_page,
    "reference/metrics.md": metrics_page,
    "reference/annotations.md": marks_page,
    "recipes/index.md": recipes_page,
}


def main() -> int:
    """Write the pages, or with --check say which are out of date; 1 if any is."""
    parser = argparse.ArgumentParser(
        prog="tools.reference", description="the generated pages of docs/"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    found = 0
    for name, page in PAGES.items():
        file, text = DOCS / name, page()
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        found = 1
        if check:
            print(f"{file}: out of date: run make reference")
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return found if check else 0


if __name__ == "__main__":
    sys.exit(main())
