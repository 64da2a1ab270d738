"""`keywright serve-credentials`: a sidecar from which SDKs refresh mounted credentials."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keywright.cli.help_format import DefaultsFormatter
from keywright.cli.upstreams import way_to
from keywright.sidecar import event_loop
from keywright.sidecar.authorization import AuthorizationToken
from keywright.sidecar.mounted_key import API_KEY_FILES, BEARER_FILES, KeySource, MountedKey
from keywright.sidecar.proxy import KeyProxy, ProxyMonitor
from keywright.sidecar.proxy_metrics import ProxyMetrics
from keywright.sidecar.proxy_rules import KeyHeader, UpstreamError, upstream_from
from keywright.sidecar.server import CredentialServer
from keywright.telemetry.logs import set_up_logging

if TYPE_CHECKING:
    from keywright.sidecar.signing import RequestSigner

_PROXY_PORT = 9912


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.formatter_class = DefaultsFormatter
    add = parser.add_argument
    add(
        "--directory",
        type=Path,
        default=Path("/var/run/keywright"),
        help="where the Secret is mounted, with credentials.json or credential-process.json",
    )
    add("--port", type=int, default=9911, help="port on the loopback address")
    add(
        "--authorization-token-file",
        type=Path,
        help="file with the token that AWS SDKs must send, created if it does not exist; without"
        " this option, /aws is not served",
    )
    add(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="least severe level to log",
    )
    add("--log-format", default="json", choices=("json", "text"), help="format of the log")
    _add_proxy_options(parser)


def _add_proxy_options(parser: argparse.ArgumentParser) -> None:
    proxy = parser.add_argument_group("proxy, for clients that cannot read a new key")
    proxy.add_argument(
        "--proxy",
        metavar="URL",
        help="forward requests to this server, such as"
        " https://bedrock-runtime.us-west-2.amazonaws.com, with the mounted key",
    )
    proxy.add_argument(
        "--proxy-port",
        type=int,
        help=f"port on the loopback address; default: {_PROXY_PORT} without --proxy-socket",
    )
    proxy.add_argument(
        "--proxy-socket", type=Path, help="Unix socket, instead of the port or in addition to it"
    )
    proxy.add_argument(
        "--proxy-path",
        action="append",
        default=[],
        metavar="PATH",
        help="allowed path; * is one segment, a final ** any number of them; may be repeated;"
        " required for servers other than Amazon Bedrock",
    )
    proxy.add_argument(
        "--proxy-header",
        choices=[header.value for header in KeyHeader],
        default=KeyHeader.BEARER.value,
        help="header for the key",
    )
    proxy.add_argument(
        "--proxy-sign",
        metavar="SERVICE/REGION",
        help="sign requests with credential-process.json instead, for example sts/us-west-2",
    )
    proxy.add_argument(
        "--proxy-key-file", help="file with the key; default: the first that a format writes"
    )
    proxy.add_argument(
        "--proxy-metrics-port",
        type=int,
        help="port of /metrics and /readyz on all addresses of the pod",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT and return 0, or 1 if the server cannot start."""
    set_up_logging(level=options.log_level, form=options.log_format)
    try:
        event_loop.run(_serve(options))
    except (OSError, UnicodeError, UpstreamError) as error:
        logging.getLogger(__name__).error(  # noqa: TRY400  the traceback has no further information
            "cannot serve: %s: see --port, --authorization-token-file and --proxy", error
        )
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        file: Path | None = options.authorization_token_file
        server = CredentialServer(
            options.directory,
            port=options.port,
            token=None if file is None else AuthorizationToken(file),
            clock=_now,
        )
        stack.push_async_callback(server.stop)
        await server.start()
        if options.proxy is not None:
            await _start_proxy(options, stack)
        await ended.wait()


async def _start_proxy(options: argparse.Namespace, stack: contextlib.AsyncExitStack) -> None:
    header = KeyHeader(options.proxy_header)
    metrics = ProxyMetrics()
    keys, signer = _keys_of(options, header)
    upstream = upstream_from(options.proxy, paths=options.proxy_path, header=header)
    proxy = KeyProxy(
        upstream,
        keys=keys,
        signer=signer,
        metrics=metrics,
        tls=ssl.create_default_context(),
        http_proxy=way_to(upstream),
    )
    stack.push_async_callback(proxy.stop)
    port: int | None = options.proxy_port
    if port is None and options.proxy_socket is None:
        port = _PROXY_PORT
    await proxy.start(port=port, socket=options.proxy_socket)
    if options.proxy_metrics_port is not None:
        monitor = ProxyMonitor(proxy, metrics=metrics, port=options.proxy_metrics_port)
        stack.push_async_callback(monitor.stop)
        await monitor.start()


def _keys_of(
    options: argparse.Namespace, header: KeyHeader
) -> tuple[KeySource, RequestSigner | None]:
    if options.proxy_sign is not None:
        from keywright.sidecar.signing import MountedCredentials, RequestSigner  # noqa: PLC0415  botocore takes long to import

        return MountedCredentials(options.directory, clock=_now), RequestSigner.of(
            options.proxy_sign
        )
    names: tuple[str, ...] = BEARER_FILES if header is KeyHeader.BEARER else API_KEY_FILES
    if options.proxy_key_file is not None:
        names = (options.proxy_key_file,)
    return MountedKey(options.directory, names=names, clock=_now), None


def _now() -> datetime:
    return datetime.now(UTC)
