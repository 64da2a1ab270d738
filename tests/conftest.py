"""Hooks of the whole suite; fixtures stand in the folders that use them.

They must be known before anything is collected, also where pytest-xdist collects elsewhere.
"""

from tests.cluster.tier import (
    pytest_addoption,
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]
