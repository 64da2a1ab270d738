"""The tier of tests on a real API server: its option, and what the summary says of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

Record = Callable[[str, object], None]
"""The fixture `record_property`: a figure for the report (--junitxml)."""

_NOTES = pytest.StashKey[list[str]]()
_CARRIED = "cluster_tier"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kube-context`."""
    parser.addoption(
        "--kube-context",
        metavar="NAME",
        help="run tests/cluster on the cluster of this context of $KUBECONFIG,"
        " instead of a control plane of our own",
    )


def add_markers(config: pytest.Config) -> None:
    """The markers that say when and where a test runs."""
    config.addinivalue_line(
        "markers",
        "long: takes half a minute and more; begins before shorter ones",
    )
    config.addinivalue_line(
        "markers", "faults: keeps times that a busy machine cannot; make test-faults runs it alone"
    )
    config.addinivalue_line("markers", "kind: needs a cluster with a node; make test-kind runs it")
    config.addinivalue_line(
        "markers", "run_last: what it judges goes on beside the other tests of its folder"
    )
    config.addinivalue_line(
        "markers", "destructive: takes apart what the other tests of its folder share"
    )


def note(config: pytest.Config, line: str) -> None:
    """Let the summary say this, once."""
    notes = config.stash.setdefault(_NOTES, [])
    if line not in notes:
        notes.append(line)


def without_cluster(
    config: pytest.Config, reason: str, *, folder: str = "tests/cluster"
) -> NoReturn:
    """Skip loudly; where CI=true, fail."""
    note(config, f"SKIPPED: {folder} did not run, and proves nothing today: {reason}")
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must have a real cluster: {reason}", pytrace=False)
    pytest.skip(reason)


def without_history(config: pytest.Config, reason: str) -> NoReturn:
    """Skip loudly what compares with the commit before: a shallow clone does not have it."""
    note(config, f"SKIPPED: tests of the upgrade did not run: {reason}")
    pytest.skip(reason)


def without_tool(config: pytest.Config, name: str, reason: str) -> NoReturn:
    """Skip loudly what needs this Go program; where CI=true, fail."""
    note(config, f"SKIPPED: tests with {name} did not run, and prove nothing today: {reason}")
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must have {name}: {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its notes to the process that writes the summary."""
    carried: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if carried is not None:
        carried[_CARRIED] = session.config.stash.get(_NOTES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes them over."""
    for line in getattr(node, "workeroutput", {}).get(_CARRIED, []):
        note(node.config, line)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line for each cluster that was used, or was not available."""
    for line in config.stash.get(_NOTES, []):
        terminalreporter.write_line(
            f"cluster tier: {line}", red=line.startswith("SKIPPED"), bold=True
        )
