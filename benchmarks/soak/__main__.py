"""`make soak`: thousands of short-lived keys under two replicas; the leader may be killed."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks.soak.course import Course, Plan
from benchmarks.soak.verdict import Row, rows
from benchmarks.worlds import measured_world


def main() -> int:
    """Return 0 if every goal was met."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long")
    parser.add_argument("--grants", type=int, default=2000, help="how many keys")
    parser.add_argument("--life", type=int, default=30, help="seconds that a key lives")
    parser.add_argument("--lease-seconds", type=int, default=5, help="of the replicas")
    parser.add_argument("--kills", type=int, default=0, help="how often the leader is killed")
    options = parser.parse_args()
    plan = Plan(
        seconds=options.minutes * 60,
        grants=options.grants,
        life_seconds=options.life,
        lease_seconds=options.lease_seconds,
        kills=options.kills,
    )
    console = Console()
    began = time.monotonic()
    found = asyncio.run(_run(plan, console))
    console.print(f"took {time.monotonic() - began:.0f} s in all")
    console.print(_table(found))
    return 0 if all(row.met for row in found) else 1


async def _run(plan: Plan, console: Console) -> list[Row]:
    with (
        measured_world(namespaces=plan.sources, roomy=True) as world,
        Course(plan, tell=console.print).prepared(world) as course,
    ):
        await course.prepare()
        course.run()
        return rows(course.seen(), plan=plan)


def _table(found: list[Row]) -> Table:
    table = Table("measure", "figure", "goal", "met")
    for row in found:
        table.add_row(row.what, row.figure, row.goal, ("yes" if row.met else "NO") * bool(row.goal))
    return table


if __name__ == "__main__":
    sys.exit(main())
