"""The parts of a kind of key of Alibaba Cloud; the provider has the tables of the kinds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import AlibabaContext
from keywright.clouds.interfaces import Evidence, IssuedKey, ManagedKeys, Session, SessionOptions
from keywright.secrets.credential import Credential


class KeyIssuer(Protocol):
    """Issues one kind of key: its session options, the sessions that it accepts, the key."""

    def session_options(self, key: Any) -> SessionOptions:
        """The session options of the key, beyond those of the source."""

    def accepts_session(self, key: Any, *, session: Session, now: datetime) -> bool:
        """Whether the session may be used for the key."""

    async def mint(
        self,
        key: Any,
        *,
        grant: ApiKeyGrant,
        source: CredentialSource,
        session: Session,
        account_id: str,
        context: AlibabaContext,
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
        context: AlibabaContext,
        evidence: Evidence,
    ) -> ManagedKeys:
        """Create the object, without a request."""


class Permissions(Protocol):
    """What the identity of a source needs for keys of one kind, for `keywright explain`."""

    def __call__(self, keys: Sequence[Any], /) -> Iterator[dict[str, Any]]:
        """The statements of a policy of RAM."""


class Attempt(Protocol):
    """Probes a key in one way."""

    async def __call__(
        self,
        grant: ApiKeyGrant,
        *,
        credential: Credential,
        source: CredentialSource,
        context: AlibabaContext,
    ) -> None:
        """Raise Failure unless the key works."""


@dataclass(frozen=True, slots=True)
class IssuedKind:
    """A kind of key that is issued with a session; `probe` calls the service of the key."""

    issuer: KeyIssuer
    permissions: Permissions
    probe: Attempt | None = None


@dataclass(frozen=True, slots=True)
class ManagedKind:
    """A kind of key that stays in the cloud; `probe` calls the service of the key."""

    keys: ManagedKeysFactory
    permissions: Permissions
    probe: Attempt | None = None


def needs_nothing(keys: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """No statement: the source needs no permission for these keys."""
    del keys
    yield from ()
