"""What the demo has seen at one moment, as plain values: the table and the verdict read no more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Place:
    """What runs where; told once."""

    cluster: str
    cloud: str
    operator: str
    kubectl: str
    """The line to type in another terminal before `kubectl`."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key as the grant's status tells of it, in seconds since the epoch; never its value."""

    revision: int
    key_id: str
    issued_at: float
    renew_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Grant:
    """An ApiKeyGrant, the key it has now and the one it had first."""

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
    """When a call with the first key last succeeded although the key had ended."""

    @property
    def renewals(self) -> int:
        """How often the key was replaced while we looked."""
        return (
            0 if self.key is None or self.first is None else self.key.revision - self.first.revision
        )


@dataclass(frozen=True, slots=True)
class Client:
    """One way to use the key, with its calls so far."""

    name: str
    succeeded: int
    failed: int
    answer: str
    """The last answer, or where the last call failed the client's own words."""
    key_age_seconds: float | None
    error: str | None
    """The first failure there was."""


class Tone(Enum):
    """How a line of news is coloured."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, counted from 1."""

    number: int
    seconds: float
    """Since the command."""
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything seen so far; `events` holds the latest ones only."""

    place: Place
    now: float
    applied_at: float
    elapsed_seconds: float
    first_key_seconds: float | None
    grants: tuple[Grant, ...]
    clients: tuple[Client, ...]
    events: tuple[Event, ...]
    trouble: str | None
    """Why the demo cannot go on: a process that ended, an API server that does not answer."""
