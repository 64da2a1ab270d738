"""Hooks of the whole suite; fixtures are in the folders that use them.

They must be known before anything is collected, also where pytest-xdist collects elsewhere.
"""

import pytest
from hypothesis import settings

from tests.cluster.tier import (
    add_markers,
    pytest_addoption,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.schedule import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.watchdog import keep_stderr, pytest_runtest_protocol

# A machine that is busy with other tests is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """What pytest must know before it collects."""
    add_markers(config)
    keep_stderr(config)


__all__ = [
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_runtest_protocol",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "pytest_xdist_make_scheduler",
]
