"""Hooks of the whole suite; fixtures are in the folders that use them.

They must be known before anything is collected, also where pytest-xdist collects elsewhere.
"""

from hypothesis import settings

from tests.cluster.tier import (
    pytest_addoption,
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.schedule import pytest_collection_modifyitems, pytest_xdist_make_scheduler

# A machine that is busy with other tests is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

__all__ = [
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "pytest_xdist_make_scheduler",
]
