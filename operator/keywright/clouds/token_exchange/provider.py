"""The provider for exchanges of tokens: the shared access tokens of all sources."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.classified import classified
from keywright.clouds.common_refusals import source_changed
from keywright.clouds.interfaces import (
    NO_EVIDENCE,
    CallerIdentity,
    Evidence,
    Intent,
    IssuedKey,
    ManagedKeys,
    Session,
    SessionOptions,
)
from keywright.clouds.role_chain import RoleChain
from keywright.clouds.token_exchange import access_token
from keywright.clouds.token_exchange.context import TokenExchangeContext
from keywright.clouds.token_exchange.exchange import exchange_token
from keywright.secrets.credential import Credential

_NO_ROLE: Final = "an access token assumes no role"


class KeyIssuer(Protocol):
    """Issues one kind of key: its session options, the tokens that it accepts, the key."""

    def session_options(self, key: Any) -> SessionOptions:
        """The session options of the key, beyond those of the source."""

    def accepts_session(self, key: Any, *, session: Session, now: datetime) -> bool:
        """Whether the token may be used for the key."""

    def mint(
        self, key: Any, *, grant: ApiKeyGrant, session: Session, source: CredentialSource
    ) -> IssuedKey:
        """Issue a key; raises Failure."""


KEYS: dict[KeyKind, KeyIssuer] = {KeyKind.ACCESS_TOKEN: access_token}


class _ChainSteps:
    """Implements `role_chain.ChainSteps`: one exchange, and no roles after it."""

    def __init__(self, context: TokenExchangeContext) -> None:
        self._context = context

    async def assume_base(self, source: CredentialSource, *, ask: SessionOptions) -> Session:
        del ask  # kinds of this provider have no session options
        return await exchange_token(source, context=self._context)

    async def assume_chained_role(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionOptions
    ) -> Session:
        raise NotImplementedError(_NO_ROLE)

    async def caller(self, source: CredentialSource, session: Session) -> CallerIdentity:
        """What the vendor has accepted; no vendor has a call that reports it."""
        del source
        return CallerIdentity(identity=session.identity, account_id="")


class TokenExchange:
    """Implements `interfaces.CloudProvider`."""

    def __init__(self, context: TokenExchangeContext) -> None:
        self._context = context
        self._role_chain = RoleChain(
            _ChainSteps(context), clock=context.clock, min_lifetime=context.min_lifetime
        )

    @classified("issuing a key")
    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> IssuedKey:
        """Issue a key: the access token that all grants of the source share."""
        del intent  # no kind of this provider is managed
        way, key = KEYS[grant.kind], grant.key
        session = await self._role_chain.session(
            source,
            hop=0,
            ask=way.session_options(key),
            accepts_session=lambda session, now: way.accepts_session(key, session=session, now=now),
            not_before=not_before,
        )
        issued_key = way.mint(key, grant=grant, session=session, source=source)
        return replace(issued_key, identity=session.identity)

    @classified("finding the keys")
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        """Not supported: no vendor has managed keys here.

        Raises:
            Failure: always. Only reached by a grant whose source was in a cloud before.
        """
        del evidence
        raise source_changed(grant, source)

    @classified("verifying the source")
    async def verify(
        self, source: CredentialSource, *, force: bool = False
    ) -> tuple[Session, CallerIdentity]:
        """A valid access token, and what it acts as."""
        return await self._role_chain.verified(source, hop=0, force=force)

    @classified("probing the key")
    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Call the vendor's API with a new token; the only probe (`KeySpec.probe_modes`)."""
        await access_token.probe(grant, credential, source=source, context=self._context)

    async def hold(self, source: CredentialSource) -> None:
        """Do nothing: no key of a vendor has to be revoked."""

    @classified("asking for the time")
    async def ask(self, source: CredentialSource) -> None:
        """Exchange another token to learn the time of the vendor."""
        await self._role_chain.session(source, hop=0, not_before=self._context.clock())

    def has_session(self, source: CredentialSource) -> bool:
        """Whether a valid token of the source is in memory."""
        return self._role_chain.has_valid(source, hop=0)

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Whether no token is in memory, or the last exchange failed."""
        return self._role_chain.is_doubtful(source, hop=0)

    def forget(self, *, source_uid: str) -> None:
        """Drop the cached tokens of a deleted source."""
        self._role_chain.forget(source_uid=source_uid)
