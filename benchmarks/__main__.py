"""`make bench`: every measure, or those that are named; ARGS="rates --objects 1000 --repeat 3"."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping

from rich.console import Console
from rich.table import Table

from benchmarks import commands, lint, measures, proxy, resource_cost, scrape, sidecar
from benchmarks.measures import Row

_MEASURES: Mapping[str, Callable[[], Awaitable[list[Row]]]] = {
    "singles": measures.singles,
    "requests": measures.requests,
    "memory": measures.memory,
    "resource": resource_cost.status_patches,
    "proxy": proxy.overhead,
    "commands": commands.commands,
}
_IN_PLACE: Mapping[str, Callable[[], list[Row]]] = {
    "sidecar": sidecar.requests,
    "scrape": scrape.scrapes,
    "lint": lint.lints,
}
_NAMES = ("rates", *_MEASURES, *_IN_PLACE)


def main() -> int:
    """Return 0 if every goal was met."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=" ".join(_NAMES))
    parser.add_argument("--objects", type=int, default=1000, help="grants of the rates")
    parser.add_argument("--repeat", type=int, default=1, help="runs of the rates")
    options = parser.parse_args()
    chosen = options.measures or list(_NAMES)
    if unknown := set(chosen) - set(_NAMES):
        parser.error(
            f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(_NAMES)}"
        )
    console = Console()
    console.print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()}"
    )
    rows = asyncio.run(_run(chosen, options, console))
    console.print(_table(rows))
    return 0 if all(row.met for row in rows) else 1


async def _run(chosen: list[str], options: argparse.Namespace, console: Console) -> list[Row]:
    rows: list[Row] = []
    for name in chosen:
        for number in range(options.repeat if name == "rates" else 1):
            console.print(f"measuring {name}{f', run {number + 1}' if number else ''} ...")
            rows += await _found(name, objects=options.objects)
    return rows


async def _found(name: str, *, objects: int) -> list[Row]:
    if name in _IN_PLACE:
        return _IN_PLACE[name]()
    return await (measures.rates(objects) if name == "rates" else _MEASURES[name]())


def _table(rows: list[Row]) -> Table:
    table = Table("measure", "figure", "goal", "met")
    for row in rows:
        table.add_row(row.what, row.figure, row.goal, ("yes" if row.met else "NO") * bool(row.goal))
    return table


if __name__ == "__main__":
    sys.exit(main())
