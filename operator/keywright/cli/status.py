"""`keywright status`: the state of grants, what happens next, and who reads their Secrets."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from keywright.api.errors import ApiError
from keywright.api.names import GRANT_KIND, GRANT_PLURAL
from keywright.cli.cluster_client import (
    CUSTOM,
    ClusterClient,
    concurrent_requests,
    connect,
    grant_path,
    scope,
)
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import ForbiddenError, NotFoundError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_table import write_table
from keywright.cli.grant_view import LIST_VERSION, GrantView, view_of
from keywright.cli.screen import Screen, Span, Style, screen_for, write_document
from keywright.cli.secret_reads import PodReader, readers_of
from keywright.cli.source_states import SourceStates
from keywright.cli.story import Entry, story_of, write_story

_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"

Document = Mapping[str, Any]
Readers = Mapping[tuple[str, str], Sequence[PodReader]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = "Exit code 0 if all grants shown are fine, 1 if one is not or is missing."
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="show the details and the history of this grant"
    )
    parser.add_argument("--source", metavar="NAME", help="only grants of this source")
    parser.add_argument("--watch", action="store_true", help="repeat until you press Ctrl-C")
    parser.add_argument(
        "--interval", type=float, default=2.0, metavar="SECONDS", help="interval of --watch"
    )
    parser.add_argument(
        "--no-readers",
        action="store_true",
        help="do not list pods, which is slow with thousands of pods",
    )
    parser.add_argument(
        "-o", "--output", choices=("json", "yaml"), help="print a document for programs"
    )
    add_cluster_options(parser, all_namespaces=True)


def run(options: argparse.Namespace) -> int:
    """Show the grants once, or until the user interrupts; return the exit code."""
    client = connect(options)
    screen = screen_for()
    code = _show(client, options, screen)
    try:
        while options.watch:
            time.sleep(max(0.1, options.interval))
            if screen.color:
                screen.stream.write(_CLEAR)
            code = _show(client, options, screen)
    except KeyboardInterrupt:
        screen.line()
    return code


def _show(client: ClusterClient, options: argparse.Namespace, screen: Screen) -> int:
    views = (
        _show_one(client, options, screen) if options.name else _show_all(client, options, screen)
    )
    screen.flush()
    if options.source and not views:
        return ExitCode.FINDINGS
    return ExitCode.OK if all(view.is_fine for view in views) else ExitCode.FINDINGS


def _show_all(
    client: ClusterClient, options: argparse.Namespace, screen: Screen
) -> Sequence[GrantView]:
    place = scope(client, options)
    with concurrent_requests() as pool:
        grants = pool.submit(lambda: list(client.items(f"{CUSTOM}{place}/{GRANT_PLURAL}")))
        readers = pool.submit(_readers, client, place, options)
        sources = pool.submit(_sources, client, place)
    views = [
        view_of(body, readers=readers.result(), now=client.now())
        for body in sorted(grants.result(), key=_name_of)
    ]
    if options.source:
        views = [view for view in views if view.source[1] == options.source]
    views = _with_sources(views, sources.result())
    if options.output:
        document = {
            "apiVersion": LIST_VERSION,
            "kind": "GrantStatusList",
            "items": [view.document() for view in views],
        }
        write_document(screen.stream, document, options.output)
    elif views:
        write_table(screen, views, namespaces=options.all_namespaces)
    else:
        where = f"namespace {client.namespace}" if place else "the cluster"
        of = f" of source {options.source}" if options.source else ""
        screen.line(Span(f"There are no grants{of} in {where}.", Style.DIM))
    return views


def _show_one(
    client: ClusterClient, options: argparse.Namespace, screen: Screen
) -> Sequence[GrantView]:
    place = f"/namespaces/{client.namespace}"
    with concurrent_requests() as pool:
        found = pool.submit(client.find, grant_path(client.namespace, options.name))
        readers = pool.submit(_readers, client, place, options)
        sources = pool.submit(_sources, client, place)
        events = pool.submit(_events, client, options.name)
    body = found.result()
    if body is None:
        raise NotFoundError(
            f"there is no ApiKeyGrant {options.name} in namespace {client.namespace}.",
            remedy="List all of them: keywright status -A.",
        )
    # It needs the parser, which takes long to import.
    from keywright.cli.missing_source import with_missing_source  # noqa: PLC0415

    view = view_of(body, readers=readers.result(), now=client.now())
    (view,) = _with_sources([view], sources.result())
    view = with_missing_source(view, client)
    entries: list[Entry] = story_of(view, body, events.result())
    if options.output:
        document = {
            "apiVersion": LIST_VERSION,
            "kind": "GrantStatus",
            **view.document(),
            "story": [entry.document() for entry in entries],
        }
        write_document(screen.stream, document, options.output)
    else:
        write_story(screen, view, entries)
    return [view]


def _sources(client: ClusterClient, place: str) -> SourceStates:
    """The sources of the namespace, or of the cluster."""
    states = SourceStates(client)
    if place:
        states.read([client.namespace])
    else:
        states.read_all()
    return states


def _with_sources(views: Sequence[GrantView], states: SourceStates) -> list[GrantView]:
    """The views with the problems of their sources; sources of other namespaces are read too."""
    states.read(view.source[0] for view in views)
    states.warn()
    return list(states.apply(views))


def _readers(client: ClusterClient, place: str, options: argparse.Namespace) -> Readers | None:
    """The readers of all Secrets; None if the user may not list pods, or does not want to."""
    if options.no_readers:
        return None
    try:
        return readers_of(client.items(f"/api/v1{place}/pods"))
    except ForbiddenError:
        sys.stderr.write("note: you may not list pods, so the readers of Secrets are unknown\n")
        return None


def _events(client: ClusterClient, name: str) -> list[Document]:
    selector = f"involvedObject.kind={GRANT_KIND},involvedObject.name={name}"
    try:
        return list(
            client.items(f"/api/v1/namespaces/{client.namespace}/events", fieldSelector=selector)
        )
    except (ForbiddenError, ApiError):
        sys.stderr.write("note: you may not list Events, so the story lacks them\n")
        return []


def _name_of(body: Document) -> tuple[str, str]:
    metadata = body["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])
