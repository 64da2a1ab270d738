"""`keywright version`: the versions of this program, the operator and the CRDs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from keywright.api.names import API_VERSION
from keywright.cli.cluster_client import ClusterClient, connect
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import ForbiddenError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.installation import InstalledCrd, Operator, find_crds, find_operators
from keywright.cli.screen import Screen, Span, Style, screen_for, write_document
from keywright.version import product_version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--client", action="store_true", help="only the version of this program, without a cluster"
    )
    parser.add_argument(
        "-o", "--output", choices=("json", "yaml"), help="print a document for programs"
    )
    add_cluster_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print the versions; return 1 if they do not fit together."""
    client = None if options.client else connect(options)
    operators: Sequence[Operator] | None = () if client is None else _operators(client)
    crds = find_crds(client) if client is not None else []
    skew = skew_of(operators, crds, own=product_version())
    screen = screen_for()
    if options.output:
        write_document(screen.stream, _document(operators, crds, skew), options.output)
    else:
        _write(screen, operators, crds, skew, with_cluster=client is not None)
    return ExitCode.FINDINGS if skew else ExitCode.OK


def _operators(client: ClusterClient) -> Sequence[Operator] | None:
    try:
        return find_operators(client)
    except ForbiddenError:
        return None


def skew_of(
    operators: Sequence[Operator] | None, crds: Sequence[InstalledCrd], *, own: str
) -> list[str]:
    """What does not fit together, in sentences; `own` is the version of this program."""
    found = [
        f"the operator {each.namespace}/{each.name} has version {each.version}, and this program"
        f" {own}: install the same version of both"
        for each in operators or ()
        if each.version not in ("unknown", own) and own != "unknown"
    ]
    for crd in crds:
        if not crd.installed:
            found.append(f"the CRD {crd.name} is not installed: apply the CRDs of this version")
        elif crd.missing:
            found.append(
                f"the CRD {crd.name} is older than this program and lacks {crd.missing[0]}"
                f"{_more(len(crd.missing) - 1)}: apply the CRDs of this version"
            )
    return found


def _more(number: int) -> str:
    return f" and {number} more fields" if number else ""


def _write(
    screen: Screen,
    operators: Sequence[Operator] | None,
    crds: Sequence[InstalledCrd],
    skew: list[str],
    *,
    with_cluster: bool,
) -> None:
    screen.line(Span("client    ", Style.DIM), product_version())
    if not with_cluster:
        return
    if operators is None:
        screen.line(Span("operator  ", Style.DIM), "unknown: you may not list Deployments")
    for each in operators or ():
        image = Span(f"  {each.namespace}/{each.name}, image {each.image}", Style.DIM)
        screen.line(Span("operator  ", Style.DIM), each.version, image)
    if operators is not None and not operators:
        screen.line(Span("operator  ", Style.DIM), "no Deployment found")
    for crd in crds:
        state = API_VERSION if crd.installed else "not installed"
        screen.line(Span("crd       ", Style.DIM), crd.name, Span(f"  {state}", Style.DIM))
    for sentence in skew:
        screen.line(Span("skew", Style.WARN), f": {sentence}")


def _document(
    operators: Sequence[Operator] | None, crds: Sequence[InstalledCrd], skew: list[str]
) -> dict[str, Any]:
    return {
        "client": product_version(),
        "operators": None
        if operators is None
        else [
            {"namespace": o.namespace, "name": o.name, "version": o.version, "image": o.image}
            for o in operators
        ],
        "crds": [
            {
                "name": crd.name,
                "installed": crd.installed,
                "missingFields": None if crd.missing is None else list(crd.missing),
            }
            for crd in crds
        ],
        "skew": skew,
    }
