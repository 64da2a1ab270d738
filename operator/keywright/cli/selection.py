"""The grants that a command works on: by name, or all of a source."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keywright.api.names import GRANT_PLURAL
from keywright.cli.cluster_client import CUSTOM, ClusterClient, grant_path, scope
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import CommandError, NotFoundError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_view import LIST_VERSION
from keywright.cli.screen import Screen, screen_for, write_document


@dataclass(frozen=True, slots=True)
class Selected:
    """A grant that was selected."""

    namespace: str
    name: str
    body: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Its URL path."""
        return grant_path(self.namespace, self.name)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add NAME..., --source and the cluster options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="name of a grant")
    parser.add_argument(
        "--source", metavar="NAME", help="all grants of this source; with -A in all namespaces"
    )
    parser.add_argument(
        "-o", "--output", choices=("json", "yaml"), help="print a document for programs"
    )
    add_cluster_options(parser, all_namespaces=True)


def progress_screen(options: argparse.Namespace) -> Screen:
    """The screen for people: stderr, if stdout is a document for programs."""
    return screen_for(sys.stderr if options.output else None)


def write_items(options: argparse.Namespace, kind: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Write the document of `-o`, if it was asked for."""
    if options.output:
        document = {"apiVersion": LIST_VERSION, "kind": kind, "items": list(items)}
        write_document(sys.stdout, document, options.output)


def select(client: ClusterClient, options: argparse.Namespace) -> list[Selected]:
    """Read the grants that the options select, in their order.

    Raises:
        CommandError: neither names nor a source, or both, were given; a grant does not exist.
    """
    if bool(options.names) == bool(options.source):
        raise CommandError(
            "name one or more grants, or a source with --source.", code=ExitCode.USAGE
        )
    if options.source:
        listed = client.items(f"{CUSTOM}{scope(client, options)}/{GRANT_PLURAL}")
        found = [_selected(body) for body in listed if _source(body) == options.source]
        if not found:
            raise NotFoundError(
                f"there is no grant of source {options.source}.",
                remedy="Choose its namespace with -n, or all namespaces with -A.",
            )
        return found
    return [_named(client, name) for name in dict.fromkeys(options.names)]


def _named(client: ClusterClient, name: str) -> Selected:
    body = client.find(grant_path(client.namespace, name))
    if body is None:
        raise NotFoundError(
            f"there is no ApiKeyGrant {name} in namespace {client.namespace}.",
            remedy="List all of them: keywright status -A.",
        )
    return _selected(body)


def _selected(body: Mapping[str, Any]) -> Selected:
    metadata = body["metadata"]
    return Selected(namespace=metadata["namespace"], name=metadata["name"], body=body)


def _source(body: Mapping[str, Any]) -> str:
    reference = (body.get("spec") or {}).get("sourceRef")
    return str(reference.get("name", "")) if isinstance(reference, Mapping) else ""
