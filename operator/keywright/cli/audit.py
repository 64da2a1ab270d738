"""`keywright audit`: what exists in AWS with this cluster's tags, and no grant owns.

It only reads, with the session of each source. Resources of other clusters, of other owners, and
those that a deletion retained are never reported.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.api.parsing import parse_grant, parse_source
from keywright.api.source import CredentialSource, Provider
from keywright.cli.cluster_client import CUSTOM, ClusterClient, connect, scope
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.doctor import cloud_tools
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_view import LIST_VERSION
from keywright.cli.screen import (
    Column,
    Span,
    Style,
    Table,
    clean,
    screen_for,
    write_document,
)

_CLUSTER = "/api/v1/namespaces/kube-system"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = (
        "It needs iam:ListUsers, iam:ListUserTags and apigateway:GET for the roles of the sources;"
        " what they may not list is skipped with a note."
    )
    parser.add_argument("-o", "--output", choices=("json", "yaml"), help="for programs")
    add_cluster_options(parser, all_namespaces=True)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A resource whose grant does not exist."""

    account: str
    kind: str
    name: str
    region: str
    grant: str
    command: str

    def document(self) -> dict[str, str]:
        """The item of `-o json`."""
        return {
            "account": self.account,
            "region": self.region,
            "kind": self.kind,
            "name": self.name,
            "grant": self.grant,
            "command": self.command,
        }


@dataclass(frozen=True, slots=True)
class _Known:
    """The owner tags of the grants that exist, and the ID of this cluster."""

    owners: frozenset[str]
    cluster_id: str


def run(options: argparse.Namespace) -> int:
    """Print the orphans of all accounts; return 1 if there are any."""
    client = connect(options)
    place = scope(client, options)
    # Whatever the namespace of the sources: a grant of another one may own a resource.
    grants = list(client.items(f"{CUSTOM}/{GRANT_PLURAL}"))
    sources = [parse_source(body) for body in client.items(f"{CUSTOM}{place}/{SOURCE_PLURAL}")]
    aws = [
        source
        for source in sources
        if isinstance(source, CredentialSource) and source.provider is Provider.AWS
    ]
    notes: list[str] = []
    found = asyncio.run(_audit(client, options, aws, grants, notes=notes))
    for note in notes:
        sys.stderr.write(clean(f"note: {note}") + "\n")
    _show(found, options.output, complete=not notes)
    if found:
        return ExitCode.FINDINGS
    return ExitCode.UNREACHABLE if notes else ExitCode.OK


async def _audit(
    client: ClusterClient,
    options: argparse.Namespace,
    sources: Iterable[CredentialSource],
    grants: list[dict[str, Any]],
    *,
    notes: list[str],
) -> list[Orphan]:
    known = _Known(owners_of(grants), str(client.get(_CLUSTER)["metadata"]["uid"]))
    found: dict[tuple[str, str, str, str], Orphan] = {}
    for source in sources:
        regions = {source.region, *_regions_of(source, grants)}
        orphans = await _of_source(
            client, options, source, regions=regions, known=known, notes=notes
        )
        for orphan in orphans:
            found[orphan.account, orphan.region, orphan.kind, orphan.name] = orphan
    return [found[key] for key in sorted(found)]


def owners_of(grants: Iterable[dict[str, Any]]) -> frozenset[str]:
    """The owner tags of all grants that exist, also of those that are not valid."""
    from keywright.clouds.aws.tags import owner_tag  # noqa: PLC0415  imported with the clouds

    return frozenset(
        owner_tag(str(body["metadata"]["namespace"]), str(body["metadata"]["name"]))
        for body in grants
    )


def is_orphan(resource: Any, *, owners: Collection[str], cluster_id: str) -> bool:
    """Whether this cluster created a resource for a grant that does not exist."""
    ours = resource.cluster_id == cluster_id
    return ours and not resource.is_retained and resource.owner not in owners


def _regions_of(source: CredentialSource, grants: Iterable[dict[str, Any]]) -> set[str]:
    parsed = (parse_grant(body) for body in grants)
    return {
        grant.region(source)
        for grant in parsed
        if isinstance(grant, ApiKeyGrant) and grant.source_key == source.object_key
    }


async def _of_source(
    client: ClusterClient,
    options: argparse.Namespace,
    source: CredentialSource,
    *,
    regions: Iterable[str],
    known: _Known,
    notes: list[str],
) -> list[Orphan]:
    """The orphans that the session of a source can see; `notes` gets what it cannot."""
    from keywright.clouds.aws.marked_resources import (  # noqa: PLC0415  imported with the clouds
        marked_keys,
        marked_plans,
        marked_users,
    )

    found: list[Orphan] = []
    async with cloud_tools(client, options, source) as tools:
        try:
            session, caller = await tools.provider.verify(source)
        except Failure as failure:
            notes.append(f"{_name(source)} cannot be used: {failure.reason}: see keywright doctor")
            return []
        listings: list[tuple[str, str, Callable[[Any], list[Any]]]] = [
            ("iam", source.region, marked_users),
            *(
                ("apigateway", region, partial(listing, region=region))
                for region in sorted(regions)
                for listing in (marked_keys, marked_plans)
            ),
        ]
        for service, region, listing in listings:
            resources = await _listed(tools, source, session, service, region, listing, notes=notes)
            found.extend(
                Orphan(caller.account_id, r.kind, r.name, r.region, r.owner, r.command)
                for r in resources
                if is_orphan(r, owners=known.owners, cluster_id=known.cluster_id)
            )
    return found


async def _listed(  # noqa: PLR0917  each is needed
    tools: Any,
    source: CredentialSource,
    session: Any,
    service: str,
    region: str,
    listing: Callable[[Any], list[Any]],
    *,
    notes: list[str],
) -> list[Any]:
    """The tagged resources of a service; empty, with a note, if they may not be listed."""
    from keywright.clouds.aws.clients import account_of  # noqa: PLC0415  imported with the clouds
    from keywright.clouds.rate_limit import pace_key  # noqa: PLC0415

    try:
        resources: list[Any] = await tools.calls.run(
            service,
            listing,
            region=region,
            tenant=source.namespace,
            session=session,
            pace=pace_key(source, account=account_of(session)),
        )
    except Exception as error:  # any response of the cloud
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        notes.append(f"{_name(source)} cannot list {service}: {code or type(error).__name__}")
        return []
    return resources


def _name(source: CredentialSource) -> str:
    return f"source {source.namespace}/{source.name}"


def _show(found: list[Orphan], form: str | None, *, complete: bool) -> None:
    screen = screen_for()
    if form:
        document = {
            "apiVersion": LIST_VERSION,
            "kind": "OrphanList",
            "items": [orphan.document() for orphan in found],
        }
        write_document(screen.stream, document, form)
        return
    if not found:
        part = "" if complete else ", as far as it could be listed"
        screen.line(f"Nothing in AWS has this cluster's tags without a grant{part}.")
        return
    table = Table(
        [Column("ACCOUNT"), Column("REGION", 2), Column("KIND"), Column("NAME"), Column("GRANT", 1)]
    )
    for orphan in found:
        table.add(
            *(orphan.account, orphan.region or "-", orphan.kind, orphan.name, orphan.grant),
            note=Span(orphan.command, Style.DIM),
        )
    table.write(screen)
