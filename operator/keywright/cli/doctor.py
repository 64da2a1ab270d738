"""`keywright doctor`: walk the chain of a source or grant as the operator would, hop by hop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cli.cluster_client import ClusterClient, connect, grant_path, source_path
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.doctor_reported import Chain, reported_hop
from keywright.cli.errors import CommandError, ForbiddenError, NotFoundError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_view import LIST_VERSION
from keywright.cli.hop import Hop, Result, has_failed, write_hop
from keywright.cli.installation import (
    DEFAULT_NAMESPACE,
    Operator,
    find_operators,
    trusted_operator,
)
from keywright.cli.screen import Screen, screen_for, write_document

_KINDS: Final = {"source": "CredentialSource", "grant": "ApiKeyGrant"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = (
        "The command uses your own permissions: create on serviceaccounts/token of the source's"
        " ServiceAccount, and get on the Secrets that the source refers to."
    )
    parser.add_argument("kind", choices=tuple(_KINDS), help="kind of the object")
    parser.add_argument("name", metavar="NAME", help="name of the source or grant")
    parser.add_argument(
        "--as-operator",
        action="store_true",
        help="only what the operator itself reports, without any call to a cloud",
    )
    parser.add_argument(
        "-o", "--output", choices=("json", "yaml"), help="print a document for programs"
    )
    add_cluster_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print each hop as it comes; return 1 if one has failed."""
    client = connect(options)
    screen = screen_for()
    try:
        hops = asyncio.run(_walk(client, options, screen))
    except ApiUnreachableError as error:
        raise CommandError(f"the API server does not respond: {error}.") from None
    except ApiError as error:
        raise CommandError(f"the API server refuses a request: {error}.") from None
    if options.output:
        document = {
            "apiVersion": LIST_VERSION,
            "kind": "Diagnosis",
            "hops": [hop.document() for hop in hops],
        }
        write_document(screen.stream, document, options.output)
    elif not has_failed(hops):
        screen.line("No fault found.")
    return ExitCode.FINDINGS if has_failed(hops) else ExitCode.OK


async def _walk(client: ClusterClient, options: argparse.Namespace, screen: Screen) -> list[Hop]:
    found = []
    async with contextlib.aclosing(_hops(client, options)) as hops:
        async for hop in hops:
            found.append(hop)
            if not options.output:
                write_hop(screen, hop)
            if hop.result is Result.FAILED:
                break
    return found


async def _hops(client: ClusterClient, options: argparse.Namespace) -> AsyncGenerator[Hop, None]:
    is_source = options.kind == "source"
    path = source_path if is_source else grant_path
    body = client.find(path(client.namespace, options.name))
    if body is None:
        raise NotFoundError(
            f"there is no {_KINDS[options.kind]} {options.name} in namespace {client.namespace}.",
            remedy="Choose its namespace with -n.",
        )
    tried = Chain.UNTRIED
    if not options.as_operator:
        tried = Chain.TRIED
        chain = _of_source(client, options, body) if is_source else _of_grant(client, options, body)
        async with contextlib.aclosing(chain):
            async for hop in chain:
                if hop.id == "doctor-session" and hop.result is Result.SKIPPED:
                    tried = Chain.PARTLY
                yield hop
    yield reported_hop(body, is_source=is_source, chain=tried, now=client.now())


async def _of_source(
    client: ClusterClient, options: argparse.Namespace, body: dict[str, Any]
) -> AsyncGenerator[Hop, None]:
    from keywright.cli.doctor_source import read_source, source_hops  # noqa: PLC0415

    source, hop = read_source(body)
    yield hop
    if source is None:
        return
    async with cloud_tools(client, options, source) as tools:
        async for hop in source_hops(source, tools):
            yield hop


async def _of_grant(
    client: ClusterClient, options: argparse.Namespace, body: dict[str, Any]
) -> AsyncGenerator[Hop, None]:
    from keywright.cli.doctor_grant import find_source, grant_hops, read_grant  # noqa: PLC0415

    grant, spec = read_grant(body)
    yield spec
    if grant is None:
        return
    source, hops = find_source(grant, client)
    for hop in hops:
        yield hop
    if source is None or has_failed(hops):
        return
    async with cloud_tools(client, options, source) as tools:
        async for hop in grant_hops(grant, source, tools):
            yield hop


@contextlib.asynccontextmanager
async def cloud_tools(
    client: ClusterClient, options: argparse.Namespace, source: Any
) -> AsyncIterator[Any]:
    """The tools for one source; see `clouds_of_operator`."""
    async with clouds_of_operator(client, options) as tools_of:
        yield tools_of(source)


@contextlib.asynccontextmanager
async def clouds_of_operator(
    client: ClusterClient, options: argparse.Namespace
) -> AsyncIterator[Callable[[Any], Any]]:
    """The operator's own clouds, with the flags of its Deployment and the rights of the user.

    The function that it yields returns the tools for a source.
    """
    # A second of imports, which no other command needs.
    from keywright.cli.doctor_source import Tools  # noqa: PLC0415
    from keywright.cli.main import parser as program_parser  # noqa: PLC0415
    from keywright.cli.run import settings  # noqa: PLC0415
    from keywright.cluster.client import KubernetesClient  # noqa: PLC0415
    from keywright.cluster.connection import connect as connect_async  # noqa: PLC0415
    from keywright.cluster.objects import ResourceClient  # noqa: PLC0415
    from keywright.cluster.service_accounts import ServiceAccounts  # noqa: PLC0415
    from keywright.cluster.source_secrets import SecretCache  # noqa: PLC0415
    from keywright.controller.clouds import connect_clouds  # noqa: PLC0415

    operator = operator_of(client)
    try:
        with contextlib.redirect_stderr(None):
            parsed = program_parser("run").parse_args(operator.arguments)
    except SystemExit:  # options of another version
        parsed = program_parser("run").parse_args(["run"])
    # The identity of this machine is never that of the operator.
    chosen = replace(settings(parsed), allow_ambient=False)
    connection = await connect_async(kubeconfig=options.kubeconfig, context=options.context)
    kubernetes = KubernetesClient(connection, connections=4)
    accounts = ServiceAccounts(kubernetes)
    clouds = connect_clouds(
        chosen,
        tokens=accounts,
        secrets=SecretCache(ResourceClient(kubernetes), needs_consent=chosen.secrets_need_consent),
        clock=lambda: datetime.now(UTC),
        skew_changed=lambda _: None,
    )
    try:
        yield lambda source: Tools(
            client=client,
            operator=operator,
            accounts=accounts,
            provider=clouds.providers[source.provider],
            skews=clouds.skews,
            calls=clouds.calls,
            api=clouds.api,
        )
    finally:
        await clouds.close()
        await kubernetes.close()


def operator_of(client: ClusterClient) -> Operator:
    """The operator's Deployment; that of the manifests if it may not be seen."""
    try:
        found = find_operators(client)
    except ForbiddenError:
        found = []
    trusted = trusted_operator(found)
    if trusted is not None:
        return trusted
    return Operator(
        namespace=DEFAULT_NAMESPACE,
        name="keywright",
        image="",
        arguments=("run",),
        service_account="keywright",
        wanted=0,
        ready=0,
    )
