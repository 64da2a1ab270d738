"""`keywright check`: whether the cluster, the operator, and all sources and grants are fine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Final

from keywright.api.errors import ApiError
from keywright.cli.check_cluster import cluster_checks, install_checks
from keywright.cli.check_objects import object_checks
from keywright.cli.check_operator import operator_checks
from keywright.cli.cluster_client import ClusterClient, connect
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import ForbiddenError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_view import LIST_VERSION
from keywright.cli.hop import Hop, Result, has_failed, write_hop
from keywright.cli.renew import duration
from keywright.cli.screen import Screen, Span, Style, screen_for, write_document

Checks = Callable[[ClusterClient], Iterator[Hop]]
_BEFORE: Final[tuple[tuple[str, Checks], ...]] = (
    ("Cluster", cluster_checks),
    ("Installation", install_checks),
)
_AFTER: Final[tuple[tuple[str, Checks], ...]] = (
    ("Cluster", cluster_checks),
    ("Operator", operator_checks),
    ("Sources and grants", object_checks),
)
_PAUSE_SECONDS: Final = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = "docs/troubleshooting.md explains the id at the end of each line."
    parser.add_argument(
        "--pre",
        action="store_true",
        help="before the installation: check only the cluster and your permissions",
    )
    parser.add_argument("--wait", action="store_true", help="repeat until nothing fails")
    parser.add_argument(
        "--timeout",
        type=duration,
        default="5m",
        metavar="DURATION",
        help="how long --wait waits, such as 90s; default: 5m",
    )
    parser.add_argument(
        "-o", "--output", choices=("json", "yaml"), help="print a document for programs"
    )
    add_cluster_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print a line for each check; return 1 if one has failed."""
    client = connect(options)
    screen = screen_for()
    groups = _BEFORE if options.pre else _AFTER
    deadline = time.monotonic() + options.timeout
    while True:
        waiting = options.wait and time.monotonic() < deadline
        found = [
            (group, list(_run(client, checks)))
            if waiting or options.output
            else (group, _show(client, group, checks, screen))
            for group, checks in groups
        ]
        failing = any(has_failed(hops) for _, hops in found)
        if not (failing and waiting):
            break
        time.sleep(_PAUSE_SECONDS)
    if options.output:
        write_document(screen.stream, _document(found), options.output)
    elif waiting:
        for group, hops in found:
            _write(screen, group, hops)
    if not failing:
        seen = [hop for _, hops in found for hop in hops if hop.result is not Result.SKIPPED]
        return ExitCode.OK if seen else ExitCode.UNREACHABLE
    return ExitCode.TIMEOUT if options.wait else ExitCode.FINDINGS


def _run(client: ClusterClient, checks: Checks) -> Iterator[Hop]:
    """Yield the results of a group; a right that is missing skips the rest of it."""
    try:
        yield from checks(client)
    except ForbiddenError as error:
        yield Hop(
            "check-rights",
            "further checks of this group",
            Result.SKIPPED,
            facts=(error.message,),
            cure=error.remedy,
        )
    except ApiError as error:
        yield Hop(
            "check-rights", "further checks of this group", Result.FAILED, facts=(str(error),)
        )


def _show(client: ClusterClient, group: str, checks: Checks, screen: Screen) -> list[Hop]:
    """Write each result as it comes."""
    screen.line(Span(group, Style.BOLD))
    found = []
    for hop in _run(client, checks):
        found.append(hop)
        write_hop(screen, hop)
    return found


def _write(screen: Screen, group: str, hops: list[Hop]) -> None:
    screen.line(Span(group, Style.BOLD))
    for hop in hops:
        write_hop(screen, hop)


def _document(found: list[tuple[str, list[Hop]]]) -> dict[str, object]:
    return {
        "apiVersion": LIST_VERSION,
        "kind": "CheckList",
        "items": [{"group": group, **hop.document()} for group, hops in found for hop in hops],
    }
