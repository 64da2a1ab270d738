"""The parts of a kind of key of AWS; the provider has the tables of the kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from keywright.api.grant import ApiKeyGrant, Probe
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.place import Place
from keywright.clouds.aws.probes import ProbeContext
from keywright.clouds.interfaces import Evidence, IssuedKey, ManagedKeys, Session, SessionOptions
from keywright.secrets.credential import Credential


class KeyIssuer(Protocol):
    """Issues one kind of key: its session options, the sessions that it accepts, the key."""

    def session_options(self, key: Any, *, region: str) -> SessionOptions:
        """The session options of the key in its region, beyond those of the source."""

    def accepts_session(self, key: Any, *, session: Session, now: datetime) -> bool:
        """Whether the session may issue the key."""

    async def mint(
        self,
        key: Any,
        *,
        grant: ApiKeyGrant,
        source: CredentialSource,
        session: Session,
        region: str,
        account_id: str,
        context: AwsContext,
    ) -> IssuedKey:
        """Issue a key; raises Failure."""


class ManagedKeysFactory(Protocol):
    """Creates the managed keys of a grant for one kind, with a session."""

    def __call__(
        self,
        *,
        key: Any,
        grant: ApiKeyGrant,
        source: CredentialSource,
        session: Session,
        context: AwsContext,
        evidence: Evidence,
    ) -> ManagedKeys:
        """Create the object, without a request."""


class Permissions(Protocol):
    """What the identity of a source needs for keys of one kind, for `keywright explain`."""

    def __call__(self, keys: Sequence[tuple[Any, Place]], /) -> Iterator[dict[str, Any]]:
        """The statements of a policy."""


class Attempt(Protocol):
    """Probes a key in one way."""

    async def __call__(
        self, probe: Probe, *, credential: Credential, context: ProbeContext
    ) -> None:
        """Raise Failure unless the key works."""


def _no_boundary(key: Any, place: Place) -> Iterator[dict[str, Any]]:
    del key, place
    yield from ()


@dataclass(frozen=True, slots=True)
class IssuedKind:
    """A kind of key that is issued with a session; `probe` calls the service of the key."""

    issuer: KeyIssuer
    permissions: Permissions
    probe: Attempt | None = None


@dataclass(frozen=True, slots=True)
class ManagedKind:
    """A kind of key that stays in the cloud; `boundary` is the most that a created user can do.

    `probe` calls the service of the key.
    """

    keys: ManagedKeysFactory
    permissions: Permissions
    boundary: Callable[[Any, Place], Iterator[dict[str, Any]]] = _no_boundary
    probe: Attempt | None = None
