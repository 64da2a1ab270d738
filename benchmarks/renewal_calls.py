"""`python -m benchmarks.renewal_calls`: what one renewal of the simplest key calls in the product.

A Bedrock short-term key of a grant is renewed on an API server and a cloud in memory, under
`sys.setprofile`. Counted are the Python functions of `operator/keywright` that are entered from the
start of the reconcile to the end of the status write: calls, distinct functions, files, and how
often a call goes from one package into another.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import keywright
from tests.unit.controller.samples import Scene, scene

_RESUMABLE = inspect.CO_COROUTINE | inspect.CO_GENERATOR
_ROOT = str(Path(keywright.__file__).parent)


class Calls:
    """Counts the calls of functions of the product."""

    def __init__(self) -> None:
        self.by_function: Counter[CodeType] = Counter()
        self.package_changes = 0
        self._coroutines: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Handle an event of the profiler; resuming a coroutine does not count as a call."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(_ROOT) or code.co_name[0] == "<":
            # Comprehensions are ignored: later versions of Python do not call them.
            return
        if code.co_flags & _RESUMABLE:
            if frame in self._coroutines:
                return
            self._coroutines.add(frame)
        self.by_function[code] += 1
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(_ROOT):
            caller = caller.f_back
        if caller is not None and _package(caller.f_code) != _package(code):
            self.package_changes += 1

    @property
    def rows(self) -> dict[str, int]:
        """The figures by name."""
        return {
            "calls": self.by_function.total(),
            "functions": len(self.by_function),
            "files": len({code.co_filename for code in self.by_function}),
            "package changes": self.package_changes,
        }


def _package(code: CodeType) -> str:
    return Path(code.co_filename).relative_to(_ROOT).parts[0]


async def _renewal() -> tuple[Scene, Calls]:
    """The environment after a renewal, and the calls of the renewal."""
    made = scene()
    # Caches are warm, as they are for all grants but the first.
    for _ in range(2):
        made.clock.now = await made.settle()
    made.api.requested.clear()
    calls = Calls()
    sys.setprofile(calls)
    try:
        await made.looked_at()
    finally:
        sys.setprofile(None)
    return made, calls


def main() -> int:
    """Return 0 if the renewal took two writes."""
    parser = argparse.ArgumentParser(prog="benchmarks.renewal_calls", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the functions, most called first")
    options = parser.parse_args()
    made, calls = asyncio.run(_renewal())
    for name, figure in calls.rows.items():
        print(f"{name:16}{figure:5}")
    if options.list:
        for code, count in calls.by_function.most_common():
            print(f"{count:5} {Path(code.co_filename).relative_to(_ROOT)}:{code.co_qualname}")
    return 0 if len(made.api.writes()) == len(made.api.requested) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
