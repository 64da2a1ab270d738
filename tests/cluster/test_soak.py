"""Two minutes of many short-lived keys: the short form of `make soak`."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.soak.course import Course, Plan
from benchmarks.soak.verdict import rows
from benchmarks.worlds import furnish
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

# Beside two other workers; what a machine of two cores can do by itself is in docs/performance.md.
_PLAN = Plan(seconds=120.0, grants=100, sources=10, kills=1, punctual_seconds=5.0)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_two_minutes_lose_nothing(make_world: MakeWorld, record_property: Record) -> None:
    """No key is late through six renewals and a killed leader, none is needless, memory is flat."""
    reported: list[str] = []
    with make_world() as world:
        furnish(world, namespaces=_PLAN.sources)
        with Course(_PLAN, tell=reported.append).prepared(world) as course:
            asyncio.run(course.prepare())
            course.run()
            found = rows(course.seen(), plan=_PLAN)
    for row in found:
        record_property(row.what, row.figure)
    assert [(row.what, row.figure, row.goal) for row in found if not row.met] == [], reported
