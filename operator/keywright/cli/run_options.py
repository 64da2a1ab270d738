"""The options of `keywright run`, and their parsers."""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

from keywright.api.docs_links import DOCS_URL
from keywright.api.durations import parse_duration
from keywright.api.names import REFERENCE_LABEL
from keywright.clouds.endpoints import AllowedUris, is_entry

OTLP = "otlp"
ANY_SECRET = "any"  # noqa: S105  a mode, not a password
LOOPBACK_METRICS = ("127.0.0.1", 8443)
_OWN_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEFAULT_NAMESPACE = "keywright-system"
_DOCS_URL = re.compile(r"https?://[^\s/?#]+[^\s?#]{0,200}")
_Add = Callable[..., argparse.Action]


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the operator, by topic."""
    for add_options in (
        _add_cluster,
        _add_concurrency,
        _add_endpoints,
        _add_times,
        _add_permissions,
        _add_logging,
    ):
        add_options(parser.add_argument)


def _add_cluster(add: _Add) -> None:
    """Options for the cluster, and leader election."""
    add(
        "--kubeconfig",
        type=Path,
        help="kubeconfig file; default: the ServiceAccount of the pod, otherwise $KUBECONFIG",
    )
    add("--context", help="context of the kubeconfig")
    add(
        "--namespace",
        action="append",
        default=[],
        help="a namespace to watch; may be repeated; default: all namespaces",
    )
    add(
        "--own-namespace",
        default=_own_namespace(),
        help="namespace of the Lease and of the Secret keywright-fingerprint-key",
    )
    add(
        "--identity",
        default=os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        help="holder identity of the Lease; a restarted container of the same pod continues at"
        " once",
    )
    add(
        "--leader-election",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="work only while this process holds the Lease",
    )
    add("--lease-name", default="keywright", help="name of the Lease")
    add("--lease-seconds", type=_count, default=15, help="lease duration in seconds")


def _add_concurrency(add: _Add) -> None:
    """Options for concurrency."""
    add("--workers", type=_count, default=32, help="maximum concurrent reconciles")
    add(
        "--cloud-threads",
        type=_count,
        default=8,
        help="maximum concurrent calls to AWS; up to eight times as many if namespaces wait for"
        " calls of others",
    )
    add(
        "--api-gateway-quota-share",
        type=_share,
        default=1.0,
        help="part of API Gateway's fixed quotas to use, such as 0.5; 1 is all of them",
    )


def _add_endpoints(add: _Add) -> None:
    """Options for the addresses of probes and metrics."""
    add(
        "--http-address",
        type=_address,
        default="0.0.0.0:8080",
        help="address of /livez and /readyz",
    )
    add(
        "--metrics-auth",
        default="none",
        choices=("kubernetes", "none"),
        help="kubernetes: serve /metrics with TLS, to bearer tokens that are allowed to GET"
        " /metrics; none: serve it to every client that reaches the address",
    )
    add(
        "--metrics-address",
        type=_address,
        help="address of /metrics; default: 0.0.0.0:8443 with --metrics-auth=kubernetes,"
        f" otherwise {LOOPBACK_METRICS[0]}:{LOOPBACK_METRICS[1]}, or"
        " the address of the probes if that is a loopback address",
    )
    add(
        "--metrics-cert-dir",
        type=Path,
        help="a directory with tls.crt and tls.key for /metrics, read again when they change;"
        " default: a self-signed certificate",
    )


def _add_times(add: _Add) -> None:
    """Options for durations."""
    add(
        "--drain-seconds",
        type=float,
        default=20.0,
        help="how long a shutdown waits for work in progress",
    )
    add(
        "--sweep-seconds",
        type=float,
        default=900.0,
        help="interval at which deletions that a watch missed are detected",
    )
    add(
        "--min-key-lifetime",
        type=_duration,
        default="60s",
        help="shortest lifetime of credentials that a cloud can issue, such as 60s; a shorter one"
        " is refused (LifetimeTooShort)",
    )
    add(
        "--verify-interval",
        type=_duration,
        default="6h",
        help="interval at which each managed key is looked up in the cloud, and each static key is"
        " tested; 0 disables both",
    )
    add(
        "--verify-spread",
        type=_duration,
        default="10m",
        help="the time after a start over which the first of these lookups are spread",
    )
    add(
        "--revoke-timeout",
        type=_duration,
        default="15m",
        help="how long a deleted grant waits for its key to be revoked; then the grant is deleted"
        " and the key stays",
    )
    # The assumed propagation delay of the clouds; tests shorten it.
    add("--cloud-delay-scale", type=float, default=1.0, help=argparse.SUPPRESS)


def _add_permissions(add: _Add) -> None:
    """Options for what tenants may use."""
    add(
        "--allow-ambient",
        action="store_true",
        help="allow sources to use the cloud identity of the operator and of its node"
        " (spec.aws.ambient, spec.alibabaCloud.defaultChain and ecsRamRole)",
    )
    add(
        "--allow-credentials-uri",
        type=_uri,
        action="append",
        default=[],
        help="a URI that sources can read credentials from (spec.alibabaCloud.credentialsUri);"
        " one that ends with / allows every path below it; may be repeated",
    )
    add(
        "--allow-token-endpoint",
        type=_token_endpoint,
        action="append",
        default=[],
        metavar="URL",
        help="a token endpoint that sources can exchange tokens at"
        " (spec.tokenExchange.generic.endpoint); one that ends with / allows every path below it;"
        " may be repeated",
    )
    add(
        "--secret-references",
        default="labeled",
        choices=("labeled", ANY_SECRET),
        help="which Secrets sources and grants can copy values from (externalIdFrom, valueFrom,"
        f" csvFrom, bearer, session tokens): those labeled {REFERENCE_LABEL}=true or written by a"
        " grant, or any in their namespace",
    )
    add(
        "--allow-sts-endpoint",
        type=_host_or_url,
        action="append",
        default=[],
        metavar="HOST_OR_URL_PREFIX",
        help="an STS endpoint that sources can name (stsEndpoint) in addition to the clouds' own"
        " hosts and private links; a URL that ends with / allows every path below it; may be"
        " repeated",
    )
    add(
        "--allow-probe-url",
        type=_host_or_url,
        action="append",
        default=[],
        metavar="HOST_OR_URL_PREFIX",
        help="a URL that probes can call (spec.probe.url) at a private address or through a proxy;"
        " one that ends with / allows every path below it; may be repeated",
    )


def _add_logging(add: _Add) -> None:
    """Options for logging, traces and messages."""
    add(
        "--docs-url",
        type=_docs_url,
        default=DOCS_URL,
        help="where the documentation is published: messages of conditions link to it; an empty"
        " value switches the links off",
    )
    add(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="least severe level to log",
    )
    add("--log-format", default="json", choices=("json", "text"), help="format of the log")
    add(
        "--traces",
        default="none",
        choices=("none", OTLP),
        help="otlp: export traces of reconciles by OTLP over HTTP, configured by the environment"
        " variables OTEL_*",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0: write it like 0.5")
    return share


def _duration(text: str) -> float:
    """Parse a duration such as 90s or 1m30s, or a plain number, to seconds."""
    try:
        return float(text) if text.isdecimal() else parse_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write it like 60s") from None


def _docs_url(text: str) -> str:
    if text and not _DOCS_URL.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address: write it like {DOCS_URL}, or leave it empty"
        )
    return text.rstrip("/")


def _uri(text: str) -> str:
    if not AllowedUris((text,)).allow(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid URI, e.g. https://credentials.example.com/team/"
        )
    return text


def _token_endpoint(text: str) -> str:
    if not text.startswith("https://") or not AllowedUris((text,)).allow(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a URL with https://, e.g. https://sts.example.com/oauth/token"
        )
    return text


def _host_or_url(text: str) -> str:
    if not is_entry(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a host nor a URL: write it like sts.example.com:8443 or"
            " https://sts.example.com/path/"
        )
    return text


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address: write it like 0.0.0.0:8080")
    return host.strip("[]"), int(port)


def _own_namespace() -> str:
    if os.environ.get("POD_NAMESPACE"):
        return os.environ["POD_NAMESPACE"]
    if _OWN_NAMESPACE_FILE.is_file():
        return _OWN_NAMESPACE_FILE.read_text().strip()
    return _DEFAULT_NAMESPACE
