"""The certificate authorities that verify the clouds' servers.

A mounted bundle changes while the process runs (trust-manager rotates it). The bundle is read again
once its file has changed, and after a certificate was rejected; at most every ten seconds. If a
bundle is unreadable, the previous one stays in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import certifi

_LOG: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0
_RELOAD_SECONDS: Final = 10.0
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES256:ECDHE+AES128"
_State = tuple[tuple[int, int, int], ...]


def bundle_of_environment() -> str | None:
    """The file of AWS_CA_BUNDLE or REQUESTS_CA_BUNDLE, trusted in addition to the system's."""
    return os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or None


class Authorities:
    """The TLS context for all connections to clouds; `bundle` is an additional PEM file.

    `clock` is a monotonic one, in seconds.
    """

    def __init__(
        self, *, bundle: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bundle = bundle or bundle_of_environment()
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self._state: _State = ()
        self._looked_at = self._loaded_at = float("-inf")
        self._refused = False
        self._loading = asyncio.Lock()

    def load(self) -> ssl.SSLContext:
        """Load the bundles on the first call: 60 ms, which may be spent in another thread.

        Raises:
            OSError: a bundle is unreadable or invalid; also as ssl.SSLError.
        """
        if self._context is None:
            self._load()
        assert self._context is not None
        return self._context

    async def context(self) -> ssl.SSLContext:
        """The context of the current bundles, at most a second old."""
        if self._context is None:
            async with self._loading:
                return await asyncio.to_thread(self.load)
        if self._is_due() and not self._loading.locked():
            async with self._loading:
                await asyncio.to_thread(self._reload)
        return self._context

    def refused(self) -> None:
        """Note that a certificate was not trusted: the bundle may have changed unnoticed."""
        self._refused = True

    def _is_due(self) -> bool:
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        changed = self._refused or self._files() != self._state
        return changed and now - self._loaded_at >= _RELOAD_SECONDS

    def _reload(self) -> None:
        try:
            self._load()
        except OSError as error:
            _LOG.warning(
                "reading the CA bundle failed, retrying: %s; the former one stays in use",
                type(error).__name__,
            )

    def _load(self) -> None:
        self._loaded_at, self._refused = self._clock(), False
        state = self._files()
        context = ssl.create_default_context()
        # No DHE: the server chooses the size of its group, and the event loop pays for it.
        context.set_ciphers(_CIPHERS)
        # In addition to those of the system, which a small image may lack.
        context.load_verify_locations(certifi.where())
        if self._bundle:
            context.load_verify_locations(self._bundle)
        self._context, self._state = context, state

    def _files(self) -> _State:
        """Inode, time and size of each bundle: the kubelet replaces a mounted file by a link."""
        paths = ssl.get_default_verify_paths()
        found = []
        for path in (paths.cafile, paths.capath, self._bundle):
            if path:
                with contextlib.suppress(OSError):
                    stat = Path(path).stat()
                    found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)
