"""The serving certificate of /metrics: from files that are reloaded, or self-signed."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


class ServingCertificate:
    """A TLS context for a server; `refresh` reloads changed files."""

    def __init__(self, directory: Path | None, *, host: str, now: datetime) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._directory = directory
        self._seen: tuple[int, ...] = ()
        if directory is None:
            # Imported here: its library takes a tenth of a second and 10 MB.
            from keywright.telemetry.self_signed import self_signed  # noqa: PLC0415

            _load(self.context, self_signed(host, now=now))
        else:
            self.refresh()

    def refresh(self) -> None:
        """Reload tls.crt and tls.key if they have changed.

        Raises:
            OSError, ssl.SSLError: they are missing, or do not match.
        """
        if self._directory is None:
            return
        files = [self._directory / "tls.crt", self._directory / "tls.key"]
        seen = tuple(file.stat().st_mtime_ns for file in files)
        if seen != self._seen:
            self.context.load_cert_chain(files[0], files[1])
            self._seen = seen


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Load the pair; `load_cert_chain` needs a file, which does not outlive this call."""
    with _file_of(pem) as path:
        context.load_cert_chain(path)


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """A file in memory if the system supports it: the pod's file system is read-only."""
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
