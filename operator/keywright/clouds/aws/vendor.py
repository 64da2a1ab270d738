"""AWS as the controller sees it: the tables of its ways, and the sessions that they share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from keywright.api.aws_source import Ambient, AwsAccessKey, WebIdentity
from keywright.api.grant import ApiKeyGrant, Probe, ProbeMode
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.aws.calls import account_of
from keywright.clouds.aws.identities import access_key, ambient, web_identity
from keywright.clouds.aws.identities.asking import Edges, aws_of
from keywright.clouds.aws.identities.assume_role import open_hop
from keywright.clouds.aws.keys import bedrock_short_term, session_credentials
from keywright.clouds.aws.keys.api_gateway import GatewayKeys
from keywright.clouds.aws.keys.bedrock_long_term import LongTermKeys
from keywright.clouds.aws.probes import bedrock, http, identity
from keywright.clouds.aws.probes.asking import Edges as ProbeEdges
from keywright.clouds.aws.refusals import refusal_of_session
from keywright.clouds.sessions import SessionCache, SessionKey, lives_on
from keywright.clouds.ways import (
    NOTHING_ASKED,
    Caller,
    Intent,
    KeptKeys,
    Minted,
    Session,
    SessionAsk,
)
from keywright.clouds.web import Web
from keywright.planning.failures import Failure
from keywright.planning.renewal import is_young
from keywright.secrets.credential import Credential


class OpenSession(Protocol):
    """One way to be someone: a new session of the identity."""

    async def __call__(
        self, identity: Any, *, source: CredentialSource, ask: SessionAsk, edges: Edges
    ) -> Session:
        """Raises Failure."""


class KeyWay(Protocol):
    """One kind of key: what session it asks for, whether a cached one will do, how to mint."""

    def asks(self, key: Any) -> SessionAsk:
        """What the session must be, beyond what the source says."""

    def will_do(self, key: Any, *, session: Session, now: datetime) -> bool:
        """True where the session may mint it."""

    def mint(
        self,
        key: Any,
        *,
        grant: ApiKeyGrant,
        session: Session,
        region: str,
        account_id: str,
        now: datetime,
    ) -> Minted:
        """A new key; raises Failure."""


class Attempt(Protocol):
    """One way to try a key."""

    async def __call__(self, probe: Probe, *, credential: Credential, edges: ProbeEdges) -> None:
        """Raises Failure unless the key works."""


IDENTITIES: dict[type, OpenSession] = {
    WebIdentity: web_identity.open_session,
    AwsAccessKey: access_key.open_session,
    Ambient: ambient.open_session,
}


class KeptWay(Protocol):
    """One kind of key that lives in the cloud: the keys of a grant, by a session."""

    def __call__(
        self,
        *,
        key: Any,
        grant: ApiKeyGrant,
        source: CredentialSource,
        session: Session,
        edges: Edges,
    ) -> KeptKeys:
        """Asks nothing yet."""


KEPT_KEYS: dict[KeyKind, KeptWay] = {
    KeyKind.BEDROCK_LONG_TERM_KEY: LongTermKeys,
    KeyKind.API_GATEWAY_KEY: GatewayKeys,
}
KEYS: dict[KeyKind, KeyWay] = {
    KeyKind.BEDROCK_SHORT_TERM_KEY: bedrock_short_term,
    KeyKind.SESSION_CREDENTIALS: session_credentials,
}


PROBES: dict[ProbeMode, Attempt] = {
    ProbeMode.IDENTITY: identity.attempt,
    ProbeMode.BEDROCK: bedrock.attempt,
    ProbeMode.HTTP: http.attempt,
}


class Aws:
    """Implements `clouds.ways.Vendor`."""

    def __init__(self, edges: Edges, *, web: Web) -> None:
        self._edges = edges
        self._probe_edges = ProbeEdges(calls=edges.calls, web=web)
        self._sessions = SessionCache(clock=edges.clock)
        self._callers: dict[SessionKey, Caller] = {}

    async def mint(
        self, grant: ApiKeyGrant, *, source: CredentialSource, intent: Intent | None = None
    ) -> Minted:
        """A new key for the grant, by a session that all grants which ask the same share."""
        if grant.kind in KEPT_KEYS:
            assert intent is not None
            return await (await self.keys(grant, source=source)).create(intent)
        way, key = KEYS[grant.kind], grant.key
        session = await self._session(
            source,
            hop=len(aws_of(source).assume_roles),
            ask=way.asks(key),
            will_do=lambda session, now: way.will_do(key, session=session, now=now),
        )
        return way.mint(
            key,
            grant=grant,
            session=session,
            region=grant.region(source),
            account_id=account_of(session),
            now=self._edges.clock(),
        )

    async def keys(self, grant: ApiKeyGrant, *, source: CredentialSource) -> KeptKeys:
        """The grant's keys, by the source's session; one that is deleted may use a former one."""
        hop = len(aws_of(source).assume_roles)
        try:
            session = await self._session(source, hop=hop, ask=NOTHING_ASKED, will_do=lives_on)
        except Failure:
            former = self._sessions.former(source_uid=source.uid, hop=hop)
            if not grant.deleting or former is None:
                raise
            session = former
        return KEPT_KEYS[grant.kind](
            key=grant.key, grant=grant, source=source, session=session, edges=self._edges
        )

    async def verify(self, source: CredentialSource) -> tuple[Session, Caller]:
        """A young session, and its caller; STS is asked once for each edit of the source."""
        session = await self._session(
            source,
            hop=len(aws_of(source).assume_roles),
            ask=NOTHING_ASKED,
            will_do=lambda session, now: is_young(
                issued_at=session.issued_at, expires_at=session.expires_at, now=now
            ),
        )
        key = SessionKey(source.uid, source.generation)
        caller = self._callers.get(key)
        if caller is None:
            caller = await self._caller(source, session)
            self.forget_caller(source_uid=source.uid)
            self._callers[key] = caller
        return session, caller

    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Try a new key the way that the grant asks for."""
        del source
        probe = grant.spec.probe
        await PROBES[probe.mode](probe, credential=credential, edges=self._probe_edges)

    def forget(self, *, source_uid: str) -> None:
        """Drop what is cached of a source that is gone."""
        self._sessions.forget(source_uid=source_uid)
        self.forget_caller(source_uid=source_uid)

    def forget_caller(self, *, source_uid: str) -> None:
        """Ask again who we are."""
        for key in [key for key in self._callers if key.source_uid == source_uid]:
            del self._callers[key]

    async def _session(
        self,
        source: CredentialSource,
        *,
        hop: int,
        ask: SessionAsk,
        will_do: Callable[[Session, datetime], bool],
    ) -> Session:
        """The session so many roles down the chain; `ask` is for the last one alone."""
        return await self._sessions.get(
            SessionKey(source.uid, source.generation, hop, ask.name()),
            will_do=will_do,
            open_session=lambda: self._open(source, hop=hop, ask=ask),
        )

    async def _open(self, source: CredentialSource, *, hop: int, ask: SessionAsk) -> Session:
        if hop == 0:
            identity = aws_of(source).identity
            opener = IDENTITIES[type(identity)]
            return await opener(identity, source=source, ask=ask, edges=self._edges)
        by = await self._session(source, hop=hop - 1, ask=NOTHING_ASKED, will_do=lives_on)
        return await open_hop(hop - 1, by=by, source=source, ask=ask, edges=self._edges)

    async def _caller(self, source: CredentialSource, session: Session) -> Caller:
        aws = aws_of(source)
        try:
            answer = await self._edges.calls.run(
                "sts",
                lambda client: client.get_caller_identity(),
                region=aws.region,
                endpoint=aws.sts_endpoint,
                session=session,
            )
        except Exception as error:
            raise refusal_of_session(error) from None
        return Caller(identity=answer["Arn"], account_id=answer["Account"])
