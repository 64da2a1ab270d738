"""`keywright explain`: the least policies in the cloud that sources and grants need."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.manifest_input import (
    add_path_argument,
    input_errors,
    inventory_of,
    report_problems,
)

if TYPE_CHECKING:
    from keywright.cli.cluster_client import ClusterClient
    from keywright.cli.inventory import GrantEntry, Inventory, SourceEntry
    from keywright.cli.manifests import ReadResult

_ISSUER_PATH = "/.well-known/openid-configuration"
_OTHER_NAMESPACE = "Choose its namespace with -n."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "target",
        nargs="*",
        metavar="source|grant NAME",
        help="kind, and names of objects in the cluster",
    )
    add_path_argument(parser, required=False)
    parser.add_argument(
        "--as",
        dest="form",
        choices=("json", "terraform", "cloudformation", "aws-cli", "ros"),
        default="json",
        help="output format; default: json",
    )
    parser.add_argument("--issuer", metavar="URL", help="OIDC issuer of the cluster")
    parser.add_argument("--account", metavar="ID", help="account of a static access key")
    parser.add_argument("--user", metavar="NAME", help="user of a static access key")
    add_cluster_options(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print the policies; the exit code is 1 if a source or grant is invalid."""
    if bool(options.paths) == bool(options.target):
        raise CommandError(
            "name what to explain",
            remedy="Write -f PATH, source NAME or grant NAME.",
            code=ExitCode.USAGE,
        )
    with input_errors():
        from keywright.cli.manifest_reader import read_paths  # noqa: PLC0415
        from keywright.cli.policies.holders import CloudFacts, holders_of  # noqa: PLC0415
        from keywright.cli.policies.outputs import OUTPUTS  # noqa: PLC0415

        given = {name: getattr(options, name) for name in ("issuer", "account", "user")}
        if options.paths:
            read = read_paths(options.paths)
        else:
            read, issuer = _read_cluster(options)
            given["issuer"] = given["issuer"] or issuer
        inventory = inventory_of(read)
        facts = CloudFacts(**{name: value for name, value in given.items() if value})
        sys.stdout.write(OUTPUTS[options.form](holders_of(inventory, facts)))
    return report_problems(read, _problems(inventory))


def _problems(inventory: Inventory) -> list[str]:
    from keywright.cli.linting.crd_schema import check_object, format_path  # noqa: PLC0415

    entries: list[SourceEntry | GrantEntry] = [*inventory.sources, *inventory.grants]
    problems = []
    for entry in entries:
        manifest = entry.placed.manifest
        schema = check_object(manifest.body)
        problems += [
            f"{manifest.position(*each.path)}: {format_path(each.path)} {each.message}"
            for each in schema
        ]
        if not schema:
            problems += [f"{manifest.position_of(e.field)}: {e}" for e in entry.errors]
    return problems + [
        f"{entry.placed.manifest.position_of('spec.sourceRef')}: the source of"
        f" {entry.placed.label} is not among the manifests"
        for entry in inventory.grants
        if entry.spec is not None and inventory.source_of(entry) is None
    ]


def _read_cluster(options: argparse.Namespace) -> tuple[ReadResult, str | None]:
    """A source with its grants, or a grant with its source, and the issuer of the cluster."""
    from keywright.cli.cluster_client import connect, grant_path, source_path  # noqa: PLC0415
    from keywright.cli.manifest_reader import read_bytes  # noqa: PLC0415
    from keywright.cli.manifests import ReadResult  # noqa: PLC0415

    match options.target:
        case ["source" | "grant" as kind, name]:
            pass
        case _:
            raise CommandError(
                f"explain {' '.join(options.target)}: this is no object of Keywright",
                remedy="Write source NAME or grant NAME.",
                code=ExitCode.USAGE,
            )
    client = connect(options)
    namespace = options.namespace or client.namespace
    if kind == "grant":
        grants = [_find(client, grant_path(namespace, name), f"ApiKeyGrant {name}", namespace)]
        reference = grants[0]["spec"]["sourceRef"]
        namespace = reference.get("namespace") or namespace
        name = reference["name"]
    source = _find(
        client,
        source_path(namespace, name),
        f"CredentialSource {name}",
        namespace,
        remedy=(
            "Correct spec.sourceRef of the grant, or create the source."
            if kind == "grant"
            else _OTHER_NAMESPACE
        ),
    )
    if kind == "source":
        grants = [each for each in _grants(client, namespace) if _uses(each, namespace, name)]
    bodies = [source, *grants, *_accounts(client, source, namespace)]
    content = {"apiVersion": "v1", "kind": "List", "items": bodies}
    read = ReadResult()
    text = json.dumps(content, ensure_ascii=False)
    read_bytes(text.encode(), file=f"the cluster, {namespace}/{name}", into=read)
    return read, _issuer(client)


def _find(
    client: ClusterClient, path: str, label: str, namespace: str, *, remedy: str = _OTHER_NAMESPACE
) -> dict[str, Any]:
    from keywright.cli.errors import NotFoundError  # noqa: PLC0415

    found = client.find(path)
    if found is None:
        raise NotFoundError(f"there is no {label} in namespace {namespace}.", remedy=remedy)
    return {"apiVersion": "keywright.dev/v1alpha1", "kind": label.partition(" ")[0]} | found


def _grants(client: ClusterClient, namespace: str) -> list[dict[str, Any]]:
    """All grants that the user may list: of the cluster, otherwise of the namespace."""
    from keywright.cli.cluster_client import CUSTOM  # noqa: PLC0415
    from keywright.cli.errors import ForbiddenError  # noqa: PLC0415

    try:
        found = list(client.items(f"{CUSTOM}/apikeygrants"))
    except ForbiddenError:
        found = list(client.items(f"{CUSTOM}/namespaces/{namespace}/apikeygrants"))
    head = {"apiVersion": "keywright.dev/v1alpha1", "kind": "ApiKeyGrant"}
    return [head | each for each in found]


def _uses(grant: dict[str, Any], namespace: str, name: str) -> bool:
    reference = grant["spec"]["sourceRef"]
    where = reference.get("namespace") or grant["metadata"]["namespace"]
    return (where, reference["name"]) == (namespace, name)


def _accounts(
    client: ClusterClient, source: dict[str, Any], namespace: str
) -> list[dict[str, Any]]:
    """The ServiceAccount of a source, whose annotation may name the role."""
    spec = source["spec"]
    identity = (spec.get("aws") or {}).get("webIdentity") or (spec.get("alibabaCloud") or {}).get(
        "oidcRoleArn"
    )
    if not identity or identity.get("roleArn"):
        return []
    name = identity["serviceAccountRef"]["name"]
    found = client.find(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
    return [] if found is None else [{"apiVersion": "v1", "kind": "ServiceAccount"} | found]


def _issuer(client: ClusterClient) -> str | None:
    """The issuer of the cluster; None if the user may not read it."""
    from keywright.api.errors import ApiError  # noqa: PLC0415

    try:
        found = client.find(_ISSUER_PATH)
    except (ApiError, CommandError):
        return None
    return None if found is None else found.get("issuer")
