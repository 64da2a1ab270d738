"""The observations of the demo at one moment, as plain values for the table and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Place:
    """What runs where; printed once."""

    cluster: str
    cloud: str
    operator: str
    environment: str
    """The line to type in another terminal before `kubectl` and `keywright`."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key in the grant's status, in seconds since the epoch; never its value."""

    revision: int
    key_id: str
    issued_at: float
    renew_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Grant:
    """An ApiKeyGrant, its current and its first key."""

    name: str
    ready: str
    reason: str
    message: str
    kind: str
    secret: str
    key: Key | None
    first: Key | None
    first_refused_at: float | None
    first_good_until: float | None
    """When a call with the first key last succeeded although the key had expired."""

    @property
    def renewals(self) -> int:
        """The number of observed replacements of the key."""
        return (
            0 if self.key is None or self.first is None else self.key.revision - self.first.revision
        )


@dataclass(frozen=True, slots=True)
class Client:
    """One type of client of the key, with its calls so far."""

    name: str
    succeeded: int
    failed: int
    answer: str
    """The last response, or the client's own error message if the last call failed."""
    key_age_seconds: float | None
    error: str | None
    """The first failure, if any."""
    answers: frozenset[str] = frozenset()
    """The different answers so far, up to a few."""


class Tone(Enum):
    """The color of an event."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Event:
    """An event, counted from 1."""

    number: int
    seconds: float
    """Since the start of the command."""
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything observed so far; `events` has the latest ones only."""

    place: Place
    now: float
    applied_at: float
    elapsed_seconds: float
    first_key_seconds: float | None
    grants: tuple[Grant, ...]
    clients: tuple[Client, ...]
    events: tuple[Event, ...]
    trouble: str | None
    """Why the demo cannot continue: a process that ended, or an unreachable API server."""
