"""`make fuzz`: an hour of objects, or as many minutes as ARGS says; what is found is kept."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tests.fuzz.findings import Finding
from tests.fuzz.stage import run
from tests.fuzz.targets import TARGETS

_EXAMPLES = 1000


class _Round:
    """One round of examples of a target; remembers the smallest that failed."""

    def __init__(self, target: SearchStrategy[Finding]) -> None:
        self._target = target
        self.tried = 0
        self.failed: Finding | None = None

    def play(self) -> None:
        """Raise what the smallest failing example raises."""

        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(finding=self._target)
        def attempt(finding: Finding) -> None:
            self.tried += 1
            try:
                run(finding)
            except Exception:
                # hypothesis ends with the smallest one.
                self.failed = finding
                raise

        attempt()


def main() -> int:
    """0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    end = time.monotonic() + options.minutes * 60
    tried = dict.fromkeys(TARGETS, 0)
    while time.monotonic() < end:
        for name, target in TARGETS.items():
            this = _Round(target)
            try:
                this.play()
            except Exception:
                if this.failed is not None:
                    print(f"fuzz: {name}: kept as {this.failed.keep()}", file=sys.stderr)
                raise
            tried[name] += this.tried
        reported = ", ".join(f"{number} {name}" for name, number in tried.items())
        print(f"fuzz: nothing found in {reported}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
