"""`keywright serve-credentials`: a sidecar from which SDKs refresh mounted credentials."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from datetime import UTC, datetime
from pathlib import Path

from keywright.sidecar.authorization import AuthorizationToken
from keywright.sidecar.server import CredentialServer
from keywright.telemetry.logs import set_up_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    add = parser.add_argument
    add(
        "--directory",
        type=Path,
        default=Path("/var/run/keywright"),
        help="where the Secret is mounted, with credentials.json or credential-process.json",
    )
    add("--port", type=int, default=9911, help="port of the loopback address")
    add(
        "--authorization-token-file",
        type=Path,
        help="token that AWS SDKs must show, made where there is none; without it no /aws",
    )
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    add("--log-format", default="json", choices=("json", "text"))


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT and return 0, or 1 if the server cannot start."""
    set_up_logging(level=options.log_level, form=options.log_format)
    try:
        asyncio.run(_serve(options))
    except (OSError, UnicodeError) as error:
        logging.getLogger(__name__).error(  # noqa: TRY400  the traceback has no further information
            "cannot serve: %s: see --port and --authorization-token-file", error
        )
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    file: Path | None = options.authorization_token_file
    server = CredentialServer(
        options.directory,
        port=options.port,
        token=None if file is None else AuthorizationToken(file),
        clock=lambda: datetime.now(UTC),
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await server.start()
    try:
        await ended.wait()
    finally:
        await server.stop()
