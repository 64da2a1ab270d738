"""`keywright audit`: what exists in a cloud for no grant, and what grants name that is gone.

It only reads, with the session of each source, unless `--fix` is confirmed. Resources of other
clusters, of other owners, and those that a deletion retains are neither reported nor removed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from keywright.api.alibaba_source import AlibabaBearer
from keywright.api.errors import ApiError
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.model_studio_keys import SHARED_HOSTS
from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.api.parsing import parse_grant, parse_source
from keywright.api.source import CredentialSource, Provider
from keywright.cli.cluster_client import CUSTOM, ClusterClient, connect, scope
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import CommandError, ForbiddenError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_view import LIST_VERSION
from keywright.cli.screen import (
    Column,
    Screen,
    Span,
    Style,
    Table,
    clean,
    screen_for,
    write_document,
)

_CLUSTER: Final = "/api/v1/namespaces/kube-system"
_YES: Final = frozenset({"y", "yes"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = (
        "The roles of the sources need iam:ListUsers, iam:ListUserTags,"
        " iam:ListServiceSpecificCredentials, iam:ListAccessKeys and apigateway:GET, and those of"
        " Alibaba Cloud modelstudio:ListApiKeys and GetApiKey; what they are not allowed to list is"
        " skipped with a note."
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="remove what Keywright created and no grant owns, after a confirmation",
    )
    parser.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    parser.add_argument(
        "--region",
        action="append",
        default=[],
        metavar="REGION",
        help="an additional Region; may be repeated. Default: those of the sources and grants",
    )
    parser.add_argument(
        "-o", "--output", choices=("json", "yaml"), help="print a document for programs"
    )
    add_cluster_options(parser, all_namespaces=True)


@dataclass(slots=True)
class _Audit:
    """The state of one run; `results` are errors by finding, empty for one that was removed."""

    client: ClusterClient
    options: argparse.Namespace
    screen: Screen
    skipped: int = 0
    findings: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    declined: bool = False


def run(options: argparse.Namespace) -> int:
    """Print the findings of all accounts; return 1 if there are any left."""
    if options.yes and not options.fix:
        raise CommandError("--yes is an option of --fix.", code=ExitCode.USAGE)
    if options.fix and not options.yes and not sys.stdin.isatty():
        raise CommandError(
            "--fix asks before it removes anything, and there is no terminal.",
            remedy="Run it on a terminal, or add --yes.",
            code=ExitCode.USAGE,
        )
    audit = _Audit(connect(options), options, screen_for())
    asyncio.run(_run(audit))
    if options.output:
        _write_document(audit)
    failed = [result for result in audit.results if result.error]
    removed = len(audit.results) - len(failed)
    if len(audit.findings) > removed:
        return ExitCode.FINDINGS
    return ExitCode.UNREACHABLE if audit.notes else ExitCode.OK


async def _run(audit: _Audit) -> None:
    from keywright.cli.doctor import clouds_of_operator  # noqa: PLC0415  slow to import

    client = audit.client
    place = scope(client, audit.options)
    parsed = [parse_source(body) for body in client.items(f"{CUSTOM}{place}/{SOURCE_PLURAL}")]
    sources = [source for source in parsed if isinstance(source, CredentialSource)]
    if len(sources) < len(parsed):
        audit.notes.append(f"{len(parsed) - len(sources)} sources are invalid: see keywright check")
    async with clouds_of_operator(client, audit.options) as tools_of:
        await _compare(audit, sources, tools_of)


async def _compare(audit: _Audit, sources: Sequence[CredentialSource], tools_of: Any) -> None:
    """Compare the clouds with the grants, show the findings, and remove them if that is wanted."""
    # The clouds take a second to import.
    from keywright.cli.auditing.entries import entry_findings  # noqa: PLC0415
    from keywright.cli.auditing.findings import Known  # noqa: PLC0415
    from keywright.cli.auditing.gateways import gateway_findings  # noqa: PLC0415
    from keywright.cli.auditing.listing import list_clouds  # noqa: PLC0415
    from keywright.cli.auditing.model_studio import model_studio_findings  # noqa: PLC0415
    from keywright.cli.auditing.progress import Progress  # noqa: PLC0415
    from keywright.cli.auditing.users import iam_findings  # noqa: PLC0415

    client = audit.client
    bodies = list(client.items(f"{CUSTOM}/{GRANT_PLURAL}"))
    before = _facts(bodies)
    namespace, entries = _entries(audit)
    regions = _regions(sources, bodies, before, extra=audit.options.region)
    chosen = [source for source in sources if regions[source.object_key]]
    audit.skipped = len(sources) - len(chosen)
    listings = await list_clouds(
        chosen,
        connect=tools_of,
        grants=before,
        regions=regions,
        listed=[entry.key_id for entry in entries.values()],
        progress=Progress.on(sys.stderr),
    )
    audit.notes += listings.notes
    known = Known(
        cluster_id=str(client.get(_CLUSTER)["metadata"]["uid"]),
        before=before,
        grants=_grants(client),
        now=client.now(),
    )
    for account, iam in listings.iam.items():
        audit.findings += iam_findings(account, iam, known)
    for (account, _), gateway in listings.gateway.items():
        audit.findings += gateway_findings(account, gateway, known)
    for (account, _), studio in listings.studios.items():
        audit.findings += model_studio_findings(account, studio, known)
    audit.findings += entry_findings(
        entries, listings.iam, listings.gateway, listings.studios, known
    )
    audit.findings.sort(key=lambda finding: finding.sort_key)
    for note in audit.notes:
        sys.stderr.write(clean(f"note: {note}") + "\n")
    if not audit.options.output:
        _show(audit)
    if audit.options.fix:
        await _fix(audit, listings, namespace=namespace, entries=frozenset(entries))


async def _fix(audit: _Audit, listings: Any, *, namespace: str, entries: frozenset[str]) -> None:
    from keywright.cli.auditing.removal import Remover, check_unattended, in_order  # noqa: PLC0415

    removable = in_order(audit.findings)
    # The plan and the results are for people, also if stdout is a document for programs.
    out = screen_for(sys.stderr) if audit.options.output else audit.screen
    if not removable:
        out.line("There is nothing to remove.")
        return
    out.line(Span("To be removed:", Style.BOLD))
    for finding in removable:
        out.line(f"  {finding.action} (account {finding.account}, for {finding.grant})")
    grants = _grants(audit.client)
    if audit.options.yes:
        check_unattended(grants, number=len(removable))
    elif not _confirmed(len(removable)):
        out.line("Nothing was removed.")
        return
    else:
        grants = _grants(audit.client)
    remover = Remover(
        client=audit.client,
        listings=listings,
        grants=grants,
        operator_namespace=namespace,
        entries=entries,
    )
    for finding in removable:
        result = await remover.remove(finding)
        audit.results.append(result)
        mark = Span("✗", Style.BAD) if result.error else Span("✓", Style.GOOD)
        out.line(mark, f" {finding.action}", f": {result.error}" if result.error else "")
        out.flush()


def _confirmed(number: int) -> bool:
    sys.stderr.write(f"Remove these {number}? This cannot be undone. [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in _YES


def _grants(client: ClusterClient) -> dict[str, Any]:
    """All grants by their owner tags: one of another namespace may own a resource."""
    return _facts(list(client.items(f"{CUSTOM}/{GRANT_PLURAL}")))


def _facts(bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from keywright.cli.auditing.grants import facts_of  # noqa: PLC0415

    return {facts.owner: facts for facts in map(facts_of, bodies)}


def _entries(audit: _Audit) -> tuple[str, dict[str, Any]]:
    """The operator's namespace, and its list of keys that could not be revoked."""
    from keywright.cli.doctor import operator_of  # noqa: PLC0415
    from keywright.cluster.operator_state import CONFIG_MAP  # noqa: PLC0415
    from keywright.planning.orphans import parsed  # noqa: PLC0415

    namespace = operator_of(audit.client).namespace
    path = f"/api/v1/namespaces/{namespace}/configmaps/{CONFIG_MAP}"
    try:
        found = audit.client.find(path)
    except ForbiddenError:
        audit.notes.append(f"you may not get ConfigMap {namespace}/{CONFIG_MAP}: it is skipped")
        return namespace, {}
    except ApiError as error:
        audit.notes.append(f"ConfigMap {namespace}/{CONFIG_MAP} is skipped: {error}")
        return namespace, {}
    return namespace, parsed((found or {}).get("data") or {})


def _regions(
    sources: Sequence[CredentialSource],
    bodies: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    *,
    extra: Sequence[str],
) -> dict[tuple[str, str], set[str]]:
    """The Regions of each source: its own, those of its grants and of their keys, and `extra`.

    At Alibaba Cloud, only Regions with Model Studio count. Empty for a source whose keys expire by
    themselves: with a bearer token, or of a token exchange.
    """
    found = {source.object_key: _own_regions(source, extra) for source in sources}
    by_key = {source.object_key: source for source in sources if _is_listed(source)}
    for grant in map(parse_grant, bodies):
        if isinstance(grant, ApiKeyGrant) and grant.source_key in by_key:
            source = by_key[grant.source_key]
            if source.provider is Provider.AWS or grant.kind is KeyKind.MODEL_STUDIO_KEY:
                found[grant.source_key].add(grant.region(source))
    for each in facts.values():
        if each.source in by_key:
            found[each.source] |= each.regions
    return found


def _own_regions(source: CredentialSource, extra: Sequence[str]) -> set[str]:
    if not _is_listed(source):
        return set()
    own = source.provider is Provider.AWS or source.region in SHARED_HOSTS
    return {*([source.region] if own else ()), *extra}


def _is_listed(source: CredentialSource) -> bool:
    """Whether the source can create keys that outlive their grant."""
    if source.provider is Provider.TOKEN_EXCHANGE:
        return False
    return not isinstance(source.identity, AlibabaBearer)


def _write_document(audit: _Audit) -> None:
    results = {id(result.finding): result.error or "removed" for result in audit.results}
    document = {
        "apiVersion": LIST_VERSION,
        "kind": "OrphanList",
        "items": [
            finding.document()
            | ({"result": results[id(finding)]} if id(finding) in results else {})
            for finding in audit.findings
        ],
        "notes": audit.notes,
    }
    write_document(audit.screen.stream, document, audit.options.output)


def _show(audit: _Audit) -> None:
    screen = audit.screen
    if audit.findings:
        table = Table(
            [
                Column("ACCOUNT", 1),
                Column("REGION", 2),
                Column("KIND"),
                Column("NAME"),
                Column("GRANT", 1),
                Column("FINDING"),
            ]
        )
        for finding in audit.findings:
            table.add(
                *(finding.account, finding.region or "-", finding.kind.value, finding.name),
                *(finding.grant, Span(finding.reason.value, Style.WARN)),
                note=Span(f"{finding.detail}: {finding.cure or finding.action}", Style.DIM),
            )
        table.write(screen)
        removable = sum(bool(finding.action) for finding in audit.findings)
        hint = "" if audit.options.fix or not removable else " with --fix"
        screen.line(f"{len(audit.findings)} findings, {removable} removable{hint}")
    else:
        part = ", as far as it could be listed" if audit.notes else ""
        screen.line(f"Nothing in the clouds has this cluster's mark without a grant{part}.")
    if audit.skipped:
        screen.line(
            f"Nothing to audit for {audit.skipped} sources: what Keywright issues with them expires"
            " by itself, unless you name another Region with --region."
        )
