"""What an operator process is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `keywright run`; the command line has their defaults and their words."""

    kubeconfig: Path | None
    context: str | None
    namespaces: tuple[str, ...]
    own_namespace: str
    identity: str
    leader_election: bool
    lease_name: str
    lease_seconds: int
    workers: int
    cloud_threads: int
    http_host: str
    http_port: int
    drain_seconds: float
    sweep_seconds: float
    allow_ambient: bool
    credentials_uris: tuple[str, ...]
    sts_endpoints: tuple[str, ...] = ()
    probe_urls: tuple[str, ...] = ()
