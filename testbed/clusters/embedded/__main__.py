"""Run the server: `python -m testbed.clusters.embedded --port PORT ...`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
from pathlib import Path

from aiohttp import web

from testbed.clusters.embedded.audit import AuditLog
from testbed.clusters.embedded.server import Server


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="testbed.clusters.embedded", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--admin-token-file", type=Path, required=True)
    parser.add_argument("--audit-log", type=Path)
    asyncio.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    audit = AuditLog(options.audit_log)
    server = Server(
        address=f"127.0.0.1:{options.port}",
        admin_token=options.admin_token_file.read_text().strip(),
        audit_log=audit,
    )
    server.populate()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate, options.key)
    handler = web.Server(server.handle, handler_cancellation=True, access_log=None)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        handler, "127.0.0.1", options.port, ssl=context, reuse_address=True, backlog=1024
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    listener.close()
    await handler.shutdown(timeout=0.1)
    audit.close()


if __name__ == "__main__":
    main()
