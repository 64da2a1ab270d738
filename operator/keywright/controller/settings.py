"""The settings of an operator process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

from keywright.api.docs_links import DOCS_URL
from keywright.api.durations import format_duration
from keywright.planning.delays import REAL, Delays


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """The intervals for managed keys.

    `interval` between two lookups of a key, zero for none; the first ones within `spread`.
    `revocation`: how long a grant that is being deleted waits for its key to be revoked.
    """

    interval: timedelta = timedelta(hours=6)
    spread: timedelta = timedelta(minutes=10)
    revocation: timedelta = timedelta(minutes=15)
    delays: Delays = REAL

    @property
    def listing_age(self) -> timedelta:
        """How long a listing is shared: much shorter than the interval between two lookups."""
        return min(timedelta(minutes=10), self.interval / 4)


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `keywright run`; the command line defines their defaults and help texts."""

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
    metrics_auth: bool
    metrics_host: str
    metrics_port: int
    metrics_cert_dir: Path | None
    drain_seconds: float
    sweep_seconds: float
    min_key_lifetime: timedelta
    key_times: KeyTimes
    allow_ambient: bool
    credentials_uris: tuple[str, ...]
    secrets_need_consent: bool
    sts_endpoints: tuple[str, ...] = ()
    probe_urls: tuple[str, ...] = ()
    token_endpoints: tuple[str, ...] = ()
    gateway_quota_share: float = 1.0
    traces: bool = False
    docs_url: str = DOCS_URL

    def summary(self) -> dict[str, object]:
        """Return the settings for the log; none of them is secret."""
        return {field.name: _readable(getattr(self, field.name)) for field in fields(self)}


def _readable(value: object) -> object:
    match value:
        case KeyTimes() | Delays():
            return {field.name: _readable(getattr(value, field.name)) for field in fields(value)}
        case timedelta():
            return format_duration(value.total_seconds())
        case bool() | int() | float() | None:
            return value
        case tuple():
            return [_readable(item) for item in value]
        case _:
            return str(value)
