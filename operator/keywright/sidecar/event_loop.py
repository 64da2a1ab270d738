"""The event loop of the sidecar and of the proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it in uvloop, or in asyncio's own loop where uvloop does not exist (Windows).

    A TLS connection of asyncio holds a read buffer of 256 KiB: with 1,000 streams, the proxy takes
    three times as much memory (docs/decisions/0015-uvloop-in-the-proxy.md).
    """
    try:
        import uvloop  # noqa: PLC0415  optional
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
