"""`keywright create`: print sources, grants and tenants as YAML, with the rights that they need."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.lint import DEFAULT_OPERATOR
from keywright.cli.manifest_input import input_errors

KINDS = (
    *("bedrock", "bedrock-long-term", "claude-platform", "claude-platform-long-term"),
    *("cloudwatch", "cloudwatch-logs", "xray", "codeartifact", "ecr", "session", "api-gateway"),
    *("model-studio", "model-studio-temporary", "access-token", "bearer"),
)
EXCHANGES = ("anthropic", "openai", "openrouter", "generic")
_WORKSPACE = {
    "source": "workspace of Anthropic, for --exchange anthropic",
    "grant": "workspace of a Claude Platform or Model Studio key",
    "tenant": "workspace of Anthropic, Claude Platform on AWS or Model Studio",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command and of its three parts."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="source|grant|tenant")
    source = parts.add_parser("source", help="a source, and the permission to request its token")
    source.add_argument("name", metavar="NAME", help="name of the source")
    _add_namespace(source)
    _add_source_options(source)
    source.add_argument(
        "--allow-namespace",
        dest="allowed",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="another namespace that may use the source; may be repeated",
    )
    grant = parts.add_parser("grant", help="a grant, and the permission to restart workloads")
    grant.add_argument("name", metavar="NAME", help="name of the grant")
    _add_namespace(grant)
    grant.add_argument("--source", required=True, help="name of the source")
    grant.add_argument(
        "--source-namespace", help="namespace of the source; default: that of the grant"
    )
    _add_grant_options(grant)
    tenant = parts.add_parser("tenant", help="namespaces, each with a source and a grant")
    tenant.set_defaults(namespace=None)
    tenant.add_argument("namespaces", nargs="+", metavar="NAMESPACE", help="name of a namespace")
    tenant.add_argument("--source", default="cloud", help="name of the sources; default: cloud")
    tenant.add_argument("--grant", default="api-key", help="name of the grants; default: api-key")
    _add_source_options(tenant)
    _add_grant_options(tenant)
    for name, part in (("source", source), ("grant", grant), ("tenant", tenant)):
        part.add_argument("--workspace", metavar="ID", help=_WORKSPACE[name])
        part.add_argument(
            "--apply", action="store_true", help="apply the objects instead of printing them"
        )
        part.add_argument(
            "--kubeconfig", type=Path, metavar="FILE", help="kubeconfig file, for --apply"
        )
        part.add_argument(
            "--context", metavar="NAME", help="context of the kubeconfig, for --apply"
        )
        part.add_argument(
            "--operator",
            default=DEFAULT_OPERATOR,
            metavar="NAMESPACE/NAME",
            help=f"ServiceAccount of the operator; default: {DEFAULT_OPERATOR}",
        )


def _add_namespace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", required=True, help="namespace of the object")


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("source")
    group.add_argument(
        "--cloud", choices=("aws", "alibaba"), default="aws", help="cloud; default: aws"
    )
    group.add_argument("--region", help="Region of the source, whose STS is called")
    group.add_argument(
        "--role-arn", help="role to assume with the token; {namespace} is replaced by the namespace"
    )
    group.add_argument(
        "--service-account", help="ServiceAccount of the token; default: the name of the source"
    )
    group.add_argument("--oidc-provider-arn", help="OIDC provider in RAM, for --cloud alibaba")
    group.add_argument(
        "--access-key-secret",
        metavar="SECRET",
        help="Secret with a static access key, instead of a token",
    )
    group.add_argument(
        "--bearer-secret",
        metavar="SECRET",
        help="Secret with a bearer token, such as a Model Studio key, for --cloud alibaba",
    )
    _add_anywhere_options(group)
    group.add_argument(
        "--session-duration", metavar="DURATION", help="duration of the session, such as 12h"
    )
    group.add_argument(
        "--assume-role",
        dest="roles",
        action="append",
        default=[],
        metavar="ARN",
        help="role to assume after that; may be repeated",
    )
    _add_exchange_options(parser.add_argument_group("token exchange"))


def _add_anywhere_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--certificate-secret",
        metavar="SECRET",
        help="Secret with a certificate for IAM Roles Anywhere, instead of a token",
    )
    group.add_argument("--trust-anchor-arn", help="trust anchor of --certificate-secret")
    group.add_argument("--profile-arn", help="profile of --certificate-secret")


def _add_exchange_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--exchange",
        choices=EXCHANGES,
        help="vendor that exchanges the token for an access token, instead of a cloud",
    )
    group.add_argument("--token-expiration", metavar="DURATION", help="lifetime of the token")
    group.add_argument("--audience", help="audience of the token; required for --exchange generic")
    group.add_argument("--federation-rule", metavar="ID", help="for --exchange anthropic")
    group.add_argument("--organization", metavar="ID", help="for --exchange anthropic")
    group.add_argument(
        "--vendor-account",
        metavar="ID",
        help="service account at the vendor, for --exchange anthropic and openai",
    )
    group.add_argument("--identity-provider", metavar="ID", help="for --exchange openai")
    group.add_argument("--federation-policy", metavar="ID", help="for --exchange openrouter")
    group.add_argument("--endpoint", metavar="URL", help="for --exchange generic")
    group.add_argument(
        "--parameter",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the request, for --exchange generic; may be repeated",
    )


def _add_grant_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("grant")
    group.add_argument("--kind", required=True, choices=KINDS, help="kind of key")
    group.add_argument("--duration", help="lifetime of a key that expires, such as 12h")
    group.add_argument(
        "--rotate-every",
        metavar="DURATION",
        help="rotation interval of a long-lived key, such as 7d",
    )
    group.add_argument("--user", metavar="NAME", help="IAM user of a long-term key of AWS")
    group.add_argument(
        "--existing-user",
        action="store_const",
        const=True,
        help="the IAM user exists, or another grant creates it",
    )
    group.add_argument("--usage-plan", metavar="ID", help="usage plan of an api-gateway key")
    group.add_argument("--log-group", metavar="NAME", help="log group of a cloudwatch-logs key")
    group.add_argument("--log-stream", metavar="NAME", help="log stream of a cloudwatch-logs key")
    group.add_argument("--domain", metavar="NAME", help="domain of a codeartifact token")
    group.add_argument(
        "--domain-owner", metavar="ACCOUNT", help="account of the domain of a codeartifact token"
    )
    group.add_argument("--repository", metavar="NAME", help="repository of a codeartifact token")
    group.add_argument(
        "--secret-name", metavar="NAME", help="name of the Secret; default: the name of the grant"
    )
    group.add_argument(
        "--format",
        dest="formats",
        action="append",
        default=[],
        metavar="FORMAT",
        help="format of the Secret; may be repeated",
    )
    group.add_argument(
        "--restart",
        action="append",
        default=[],
        metavar="KIND/NAME",
        help="workload to restart after a renewal; may be repeated",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Print the YAML, or apply it; for values that would be refused, the exit code is 2."""
    with input_errors():
        from keywright.cli.created_manifests import created, text_of  # noqa: PLC0415

        objects = created(options)
        if not options.apply:
            sys.stdout.write(text_of(objects))
            return ExitCode.OK
    _apply([each.body for each in objects], options)
    return ExitCode.OK


def _apply(objects: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Create each object, or merge it into the one that exists."""
    from keywright.api.errors import ApiError  # noqa: PLC0415
    from keywright.cli.cluster_client import connect  # noqa: PLC0415

    client = connect(options)
    for body in objects:
        path = _path_of(body)
        name = f"{body['kind']} {body['metadata']['name']}"
        try:
            client.create(path, body)
            done = "created"
        except ApiError as error:
            if not error.is_conflict:
                raise CommandError(
                    f"{name}: {error.message}",
                    remedy="Correct the options.",
                    code=ExitCode.FINDINGS,
                ) from None
            client.patch(f"{path}/{body['metadata']['name']}", body)
            done = "configured"
        sys.stdout.write(f"{name} {done}\n")


def _path_of(body: dict[str, Any]) -> str:
    """The path of the list that an object belongs to."""
    group = body["apiVersion"]
    root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    plural = f"{body['kind'].lower()}s"
    namespace = body["metadata"].get("namespace")
    return f"{root}/{plural}" if namespace is None else f"{root}/namespaces/{namespace}/{plural}"
