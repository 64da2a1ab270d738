"""`make drawings`: draw the packages from their imports, and a renewal from a trace of calls."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from tools.drawings.packages import packages_drawing
from tools.drawings.renewal import record_renewal, renewal_drawing, rows

_DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
_PACKAGES: Final = _DOCS / "packages.svg"
_RENEWAL: Final = _DOCS / "renewal-path.svg"


def main() -> int:
    """Write both; with --check fail if the packages are out of date."""
    parser = argparse.ArgumentParser(prog="tools.drawings", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; no trace is taken")
    if parser.parse_args().check:
        if _PACKAGES.read_text(encoding="utf-8") == packages_drawing():
            return 0
        print(f"{_PACKAGES}: out of date: run make drawings")
        return 1
    _PACKAGES.write_text(packages_drawing(), encoding="utf-8")
    _RENEWAL.write_text(renewal_drawing(rows(record_renewal())), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
