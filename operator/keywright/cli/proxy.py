"""`keywright proxy`: a loopback address that adds the current key to each request."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import ssl
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from typing_extensions import override

from keywright.api.claude_platform_key import claude_platform_url
from keywright.api.errors import KeywrightError
from keywright.api.sensitive import Sensitive
from keywright.cli.cluster_client import connect
from keywright.cli.cluster_options import add_cluster_options
from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_secret import GrantSecret, seconds_between_reads
from keywright.cli.upstreams import way_to
from keywright.sidecar import event_loop
from keywright.sidecar.mounted_key import API_KEY_FILES, BEARER_FILES, KeySource, NoKeyError, key_of
from keywright.sidecar.proxy import KeyProxy
from keywright.sidecar.proxy_metrics import ProxyMetrics
from keywright.sidecar.proxy_rules import KeyHeader, Upstream, UpstreamError, upstream_from

_BASE_URLS = ("OPENAI_BASE_URL", "DASHSCOPE_API_BASE")
_CLAUDE_PLATFORM_KEY = "ANTHROPIC_AWS_API_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("name", metavar="NAME", help="name of the grant")
    parser.add_argument(
        "--port", type=int, default=9912, help="port on the loopback address; default: 9912"
    )
    parser.add_argument(
        "--upstream",
        metavar="URL",
        help="server; default: the base URL in the Secret, or the service of its key in its Region",
    )
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        help="allowed path: * is one segment, a final ** any number of them; may be repeated",
    )
    parser.add_argument(
        "--header",
        choices=[header.value for header in KeyHeader],
        default=KeyHeader.BEARER.value,
        help="header for the key; default: Authorization",
    )
    parser.add_argument(
        "--interval",
        type=seconds_between_reads,
        default=15.0,
        metavar="SECONDS",
        help="how often the Secret is read; default: 15",
    )
    add_cluster_options(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM, and return 0."""
    header = KeyHeader(options.header)
    secret = GrantSecret(connect(options), options.name)
    key = ClusterKey(secret, names=BEARER_FILES if header is KeyHeader.BEARER else API_KEY_FILES)
    values = key.read()
    try:
        upstream = upstream_from(
            options.upstream or server_of(values), paths=options.path, header=header
        )
        event_loop.run(_serve(upstream, key, port=options.port, interval=options.interval))
    except UpstreamError as error:
        raise CommandError(
            f"{error}.", remedy="See --upstream and --path.", code=ExitCode.USAGE
        ) from None
    except OSError as error:
        raise CommandError(
            f"port {options.port} cannot be used: {error.strerror}.",
            remedy="Choose another one: --port.",
            code=ExitCode.USAGE,
        ) from None
    return ExitCode.OK


def server_of(values: Mapping[str, bytes]) -> str:
    """The server that the Secret names, by its base URL, or by its kind of key and its Region.

    Raises:
        UpstreamError: it names none.
    """
    named = next((values[name] for name in _BASE_URLS if name in values), b"")
    base_url = named.decode(errors="replace")
    if base_url:
        parts = urlsplit(base_url)
        return f"{parts.scheme}://{parts.netloc}"
    region = values.get("AWS_REGION", b"").decode(errors="replace")
    if region and _CLAUDE_PLATFORM_KEY in values:
        return claude_platform_url(region)
    if region:
        return f"https://bedrock-runtime.{region}.amazonaws.com"
    raise UpstreamError("the Secret names no server")


class ClusterKey(KeySource):
    """The key of a Secret, read again from time to time."""

    def __init__(self, secret: GrantSecret, *, names: tuple[str, ...]) -> None:
        self._secret = secret
        self._names = names
        self._key: Sensitive | None = None
        self._expires_at: datetime | None = None

    def read(self) -> dict[str, bytes]:
        """Read the Secret, and return its values.

        Raises:
            CommandError: it cannot be read, or has no key.
        """
        values, self._expires_at = self._secret.read_with_expiry()
        found = next((values[name] for name in self._names if name in values), None)
        self._key = None if found is None else key_of(found.decode(errors="replace"))
        if self._key is None:
            names = ", ".join(self._names)
            raise CommandError(
                f"the Secret has no key in {names}.",
                remedy="Choose a format that writes one, such as BedrockEnv: spec.secret.formats.",
            )
        return values

    @override
    def current(self) -> Sensitive:
        """The key that was read last; raises NoKeyError."""
        if self._key is None:
            raise NoKeyError("the Secret has no key: see keywright status")
        if self._expires_at is not None and self._expires_at <= datetime.now(UTC):
            raise NoKeyError("the key has expired: see keywright status")
        return self._key

    async def follow(self, *, interval: float) -> None:
        """Read the Secret again until cancelled; while the cluster fails, the last key is used."""
        while True:
            await asyncio.sleep(interval)
            with contextlib.suppress(KeywrightError, OSError):
                await asyncio.to_thread(self.read)


async def _serve(upstream: Upstream, key: ClusterKey, *, port: int, interval: float) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    proxy = KeyProxy(
        upstream,
        keys=key,
        metrics=ProxyMetrics(),
        tls=ssl.create_default_context(),
        http_proxy=way_to(upstream),
    )
    await proxy.start(port=port)
    following = asyncio.create_task(key.follow(interval=interval), name="follow the Secret")
    sys.stdout.write(f"{upstream.origin} is at http://127.0.0.1:{port} until Ctrl-C\n")
    sys.stdout.flush()
    try:
        await ended.wait()
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        await proxy.stop()
