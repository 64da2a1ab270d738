"""Kubernetes API servers for tests, demo and benchmarks; each class has the shape of `Cluster`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Cluster(Protocol):
    """An API server that users of the testbed can start, use as admin, and stop."""

    name: str
    version: str
    server: str
    issuer: str
    ca_file: Path
    kubeconfig: Path
    audit_log: Path | None

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that other programs need, in addition to the kubeconfig."""

    def start(self) -> None:
        """Start the API server and wait until admins may use `kubeconfig`."""

    def stop(self) -> None:
        """Stop everything that start() has started."""

    def service_account_kubeconfig(self, *, namespace: str, name: str, directory: Path) -> Path:
        """A kubeconfig with a token of that ServiceAccount, which must exist."""


class NoClusterError(RuntimeError):
    """No real API server is possible on this machine; the message states the remedy."""
