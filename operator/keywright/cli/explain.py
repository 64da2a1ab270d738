"""`keywright explain`: the least policies in the cloud that sources and grants need."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from keywright.cli.exit_codes import ExitCode
from keywright.cli.manifest_input import add_path_argument, run_with_inventory

if TYPE_CHECKING:
    from keywright.cli.inventory import GrantEntry, Inventory, SourceEntry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_path_argument(parser)
    parser.add_argument(
        "--as",
        dest="form",
        choices=("json", "terraform", "cloudformation", "aws-cli", "ros"),
        default="json",
        help="default: json",
    )
    parser.add_argument("--issuer", metavar="URL", help="OIDC issuer of the cluster")
    parser.add_argument("--account", metavar="ID", help="account of a static access key")
    parser.add_argument("--user", metavar="NAME", help="user of a static access key")


def run(options: argparse.Namespace) -> ExitCode:
    """Print the policies; the exit code is 1 if a source or grant is invalid."""

    def explain(inventory: Inventory) -> list[str]:
        from keywright.cli.policies.holders import CloudFacts, holders_of  # noqa: PLC0415
        from keywright.cli.policies.outputs import OUTPUTS  # noqa: PLC0415

        given = {name: getattr(options, name) for name in ("issuer", "account", "user")}
        facts = CloudFacts(**{name: value for name, value in given.items() if value})
        holders = holders_of(inventory, facts)
        sys.stdout.write(OUTPUTS[options.form](holders))
        entries: list[SourceEntry | GrantEntry] = [*inventory.sources, *inventory.grants]
        problems = [
            f"{entry.placed.manifest.position_of(error.field)}: {error}"
            for entry in entries
            for error in entry.errors
        ]
        return problems + [
            f"{entry.placed.manifest.position_of('spec.sourceRef')}: the source of"
            f" {entry.placed.label} is not among the manifests"
            for entry in inventory.grants
            if entry.spec is not None and inventory.source_of(entry) is None
        ]

    return run_with_inventory(options.paths, explain, command="explain")
