"""Kubernetes API servers for tests, demo and benchmarks; each class has the shape of `Cluster`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class Cluster(Protocol):
    """An API server that a guest of the testbed can start, use as admin, and stop."""

    name: str
    version: str
    server: str
    issuer: str
    ca_file: Path
    kubeconfig: Path
    audit_log: Path | None

    def start(self) -> None:
        """Return when the API server is ready and admins may use `kubeconfig`."""

    def stop(self) -> None:
        """End everything that start() began."""

    def service_account_kubeconfig(self, *, namespace: str, name: str, directory: Path) -> Path:
        """A kubeconfig with a token of that ServiceAccount, which must exist."""


class NoClusterError(RuntimeError):
    """No way to a real API server on this machine; the message says what would help."""
