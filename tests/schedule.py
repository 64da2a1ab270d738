"""The order of the tests, and which of them one worker of pytest-xdist runs.

Tests of a file share the world that the file starts, so one worker runs them all. The files of
`SPREAD` share only the world of the worker: each of their tests goes to the next idle worker.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

# Of a test with the marker `long` whose file has no number.
_LONG_SECONDS: Final = 30

SPREAD: Final = frozenset(
    f"tests/cluster/test_{name}.py"
    for name in (
        "contested_secrets",
        "former_secrets",
        "key_attacks",
        "sidecar",
        "what_a_renewal_costs",
    )
)
"""Files whose tests share nothing but the world of the worker, and take longer than others."""

_SECONDS: Final = {
    f"tests/cluster/test_{name}.py": seconds
    for name, seconds in {
        "soak": 166,
        "twenty_renewals": 138,
        "sidecar": 130,
        "revocation_is_held": 124,
        "fair_queueing": 100,
        "kill": 88,
        "restore_table": 81,
        "ownership_tags": 81,
        "crash_gateway": 78,
        "keys_changed_by_hand": 72,
        "former_secret_kills": 60,
        "watch_label": 56,
        "crash_table": 51,
        "lookups_after_a_start": 49,
        "hostile_clouds": 43,
        "order_of_work": 41,
        "restart": 40,
        "contested_fields": 40,
        "contested_secrets": 32,
    }.items()
}
"""What a file, or a test of a spread one, takes at most beside other workers, in seconds.

A file without a number takes less. The numbers decide the order, and nothing else.
"""


class LongestFirst(LoadScopeScheduling):  # type: ignore[misc]  # untyped upstream
    """`--dist loadfile` with spread files, and no work for later that another worker could do.

    A worker that dies fails the test it was running, and only that one. pytest-xdist (3.8) hands
    out the finished files of a dead worker again, and every worker that gets one waits without end.
    """

    @override
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    @override
    def _reschedule(self, node: Any) -> None:
        # A worker starts a test only if it knows the next one: one ahead, and no more.
        while self.workqueue and not node.shutting_down and self._left_to(node) < 2:
            self._assign_work_unit(node)
        if not self.workqueue:
            super()._reschedule(node)

    def _left_to(self, node: Any) -> int:
        left: int = self._pending_of(self.assigned_work[node])
        return left

    @override
    def remove_node(self, node: Any) -> str | None:
        left = {
            scope: {test: False for test, is_done in tests.items() if not is_done}
            for scope, tests in self.assigned_work.pop(node).items()
        }
        first = next((scope for scope, tests in left.items() if tests), None)
        if first is None:
            return None
        fatal: str = next(iter(left[first]))
        del left[first][fatal]
        self.workqueue.update({scope: tests for scope, tests in left.items() if tests})
        for other in self.assigned_work:
            self._reschedule(other)
        return fatal


def scope_of(nodeid: str) -> str:
    """The part of a test's id that is common to the tests which one worker must run."""
    file = nodeid.partition("::")[0]
    return nodeid if file in SPREAD else file


def expected_seconds(item: pytest.Item) -> int:
    """What the item's file takes, or the item itself if the file is spread."""
    marked = _LONG_SECONDS if item.get_closest_marker("long") else 0
    return max(_SECONDS.get(item.nodeid.partition("::")[0], 0), marked)


def named_files() -> frozenset[str]:
    """The files of the two tables."""
    return SPREAD | _SECONDS.keys()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests begin first; the order within a file stays."""
    items.sort(key=lambda item: -expected_seconds(item))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LongestFirst | None:
    """The scheduler for `--dist loadfile`; others are those of pytest-xdist."""
    return LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None
