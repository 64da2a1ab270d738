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
    add("--kubeconfig", type=Path, help="kubeconfig file; in a pod its ServiceAccount is used")
    add("--context", help="context of the kubeconfig")
    add(
        "--namespace",
        action="append",
        default=[],
        help="a namespace to watch, may be repeated; all of them where it is absent",
    )
    add(
        "--own-namespace",
        default=_own_namespace(),
        help="where the Lease and the fingerprint key are kept",
    )
    add(
        "--identity",
        default=os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        help="who holds the Lease; a restarted container of the same pod takes it up at once",
    )
    add(
        "--leader-election",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="hold a Lease while working",
    )
    add("--lease-name", default="keywright", help="the Lease's name")
    add("--lease-seconds", type=_count, default=15, help="how long a Lease outlives its holder")


def _add_concurrency(add: _Add) -> None:
    """Options for concurrency."""
    add("--workers", type=_count, default=32, help="maximum concurrent reconciles")
    add(
        "--cloud-threads",
        type=_count,
        default=8,
        help="calls to AWS at once; up to eight times as many where namespaces wait for others",
    )
    add(
        "--api-gateway-quota-share",
        type=_share,
        default=1.0,
        help="part of API Gateway's fixed quotas that is used, such as 0.5; 1 is all of them",
    )


def _add_endpoints(add: _Add) -> None:
    """Options for the addresses of probes and metrics."""
    add(
        "--http-address",
        type=_address,
        default="0.0.0.0:8080",
        help="where /livez and /readyz are served",
    )
    add(
        "--metrics-auth",
        default="none",
        choices=("kubernetes", "none"),
        help="kubernetes: /metrics by TLS, for bearer tokens that may GET /metrics in the cluster",
    )
    add(
        "--metrics-address",
        type=_address,
        help="where /metrics is served; default: 0.0.0.0:8443 with --metrics-auth=kubernetes,"
        f" otherwise {LOOPBACK_METRICS[0]}:{LOOPBACK_METRICS[1]}, or beside the probes"
        " where these are on a loopback address",
    )
    add(
        "--metrics-cert-dir",
        type=Path,
        help="a directory with tls.crt and tls.key for /metrics, read again when they change;"
        " default: a self-signed certificate",
    )


def _add_times(add: _Add) -> None:
    """Options for durations."""
    add("--drain-seconds", type=float, default=20.0, help="how long a shutdown waits for work")
    add(
        "--sweep-seconds",
        type=float,
        default=900.0,
        help="resync period for detecting missed deletions",
    )
    add(
        "--min-key-lifetime",
        type=_duration,
        default="60s",
        help="shortest lifetime of credentials that a cloud may issue, such as 60s; shorter ones"
        " are refused (LifetimeTooShort)",
    )
    add(
        "--verify-interval",
        type=_duration,
        default="6h",
        help="interval at which each managed key is looked up in the cloud; 0 switches it off",
    )
    add(
        "--verify-spread",
        type=_duration,
        default="10m",
        help="the time after a start in which the first of these lookups are spread",
    )
    add(
        "--revoke-timeout",
        type=_duration,
        default="15m",
        help="how long a deleted grant waits for its key to be revoked, before it goes without",
    )
    # The assumed propagation delay of the clouds; tests shorten it.
    add("--cloud-delay-scale", type=float, default=1.0, help=argparse.SUPPRESS)


def _add_permissions(add: _Add) -> None:
    """Options for what tenants may use."""
    add(
        "--allow-ambient",
        action="store_true",
        help="let sources use the operator's own cloud identity, and its node's"
        " (spec.aws.ambient, spec.alibabaCloud.defaultChain and ecsRamRole)",
    )
    add(
        "--allow-credentials-uri",
        type=_uri,
        action="append",
        default=[],
        help="a URI that sources may read credentials from (spec.alibabaCloud.credentialsUri);"
        " one that ends with / stands for all below it; may be repeated",
    )
    add(
        "--secret-references",
        default="labeled",
        choices=("labeled", ANY_SECRET),
        help="which Secrets sources and grants may copy values from (externalIdFrom, valueFrom,"
        f" csvFrom, bearer, session tokens): those labeled {REFERENCE_LABEL}=true or written by a"
        " grant, or any in their namespace",
    )
    add(
        "--allow-sts-endpoint",
        type=_host_or_url,
        action="append",
        default=[],
        metavar="HOST_OR_URL_PREFIX",
        help="an STS endpoint that sources may name beside the clouds' own hosts and private links"
        " (stsEndpoint); a URL that ends with / stands for all below it; may be repeated",
    )
    add(
        "--allow-probe-url",
        type=_host_or_url,
        action="append",
        default=[],
        metavar="HOST_OR_URL_PREFIX",
        help="a URL that probes may call at a private address or through a proxy"
        " (spec.probe.url); a URL that ends with / stands for all below it; may be repeated",
    )


def _add_logging(add: _Add) -> None:
    """Options for logging, traces and messages."""
    add(
        "--docs-url",
        type=_docs_url,
        default=DOCS_URL,
        help="where the documentation is published: messages of conditions link to it; empty: no"
        " links",
    )
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    add("--log-format", default="json", choices=("json", "text"))
    add(
        "--traces",
        default="none",
        choices=("none", OTLP),
        help="otlp: export traces of reconciles by OTLP over HTTP, as the environment variables"
        " OTEL_* say",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0: write it like 0.5")
    return share


def _duration(text: str) -> float:
    """Parse a duration such as 90s or 1m30s, or a plain number, to seconds."""
    try:
        return float(text) if text.isdecimal() else parse_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write it like 60s") from None


def _docs_url(text: str) -> str:
    if text and not _DOCS_URL.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address: write it like {DOCS_URL}, or leave it empty"
        )
    return text.rstrip("/")


def _uri(text: str) -> str:
    if not AllowedUris((text,)).allow(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid URI, e.g. https://credentials.example.com/team/"
        )
    return text


def _host_or_url(text: str) -> str:
    if not is_entry(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no host and no URL: write it like sts.example.com:8443 or"
            " https://sts.example.com/path/"
        )
    return text


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: write it like 0.0.0.0:8080")
    return host.strip("[]"), int(port)


def _own_namespace() -> str:
    if os.environ.get("POD_NAMESPACE"):
        return os.environ["POD_NAMESPACE"]
    if _OWN_NAMESPACE_FILE.is_file():
        return _OWN_NAMESPACE_FILE.read_text().strip()
    return _DEFAULT_NAMESPACE
