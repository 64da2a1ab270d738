"""The end of a test that pytest-timeout cannot end: its process prints where it hangs, and exits.

pytest-timeout raises an exception in the main thread once. What joins a thread that hangs, or
waits again, goes on. pytest-xdist replaces the process, and fails the test.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Generator
from typing import Final

import pytest

_GRACE: Final = 120
"""Seconds after the timeout of the test, for its clean-up."""

_STDERR = pytest.StashKey[int]()


def keep_stderr(config: pytest.Config) -> None:
    """Keep the standard error stream that no test captures (capture rests while configuring)."""
    config.stash[_STDERR] = os.dup(2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Start the clock of the test, its fixtures included."""
    seconds = seconds_of(item) + _GRACE
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[_STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def seconds_of(item: pytest.Item) -> float:
    """The timeout of the test: of its marker, else of pyproject.toml."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))
