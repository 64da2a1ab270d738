"""AWS as the controller sees it: the tables of its ways, and the sessions that they share."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from keywright.api.aws_source import Ambient, AwsAccessKey, WebIdentity
from keywright.api.grant import ApiKeyGrant, Probe, ProbeMode
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.aws.calls import account_of
from keywright.clouds.aws.identities import access_key, ambient, web_identity
from keywright.clouds.aws.identities.asking import Edges, aws_of, caller_of
from keywright.clouds.aws.identities.assume_role import open_hop
from keywright.clouds.aws.keys import bedrock_short_term, session_credentials
from keywright.clouds.aws.keys.api_gateway import GatewayKeys
from keywright.clouds.aws.keys.bedrock_long_term import LongTermKeys
from keywright.clouds.aws.probes import bedrock, http, identity
from keywright.clouds.aws.probes.asking import Edges as ProbeEdges
from keywright.clouds.aws.refusals import refusal_of_session
from keywright.clouds.chains import Chains
from keywright.clouds.classified import ClassifiedKeys, classified
from keywright.clouds.endpoints import Endpoints
from keywright.clouds.http import HttpCalls
from keywright.clouds.pacing import pace_key
from keywright.clouds.ways import (
    NO_EVIDENCE,
    Caller,
    Evidence,
    Intent,
    KeptKeys,
    Minted,
    Session,
    SessionAsk,
)
from keywright.planning.failures import Failure
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
        evidence: Evidence,
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


class _Links:
    """Implements `clouds.chains.Links`."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges

    async def open_first(self, source: CredentialSource, *, ask: SessionAsk) -> Session:
        chosen = aws_of(source).identity
        opener = IDENTITIES[type(chosen)]
        return await opener(chosen, source=source, ask=ask, edges=self._edges)

    async def open_hop(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionAsk
    ) -> Session:
        return await open_hop(number, by=by, source=source, ask=ask, edges=self._edges)

    async def caller(self, source: CredentialSource, session: Session) -> Caller:
        aws = aws_of(source)
        try:
            answer = await self._edges.calls.run(
                "sts",
                lambda client: client.get_caller_identity(),
                region=aws.region,
                tenant=source.namespace,
                source=source,
                endpoint=aws.sts_endpoint,
                session=session,
                pace=pace_key(source, account=account_of(session)),
            )
            return caller_of(answer)
        except Exception as error:
            raise refusal_of_session(error) from None


class Aws:
    """Implements `clouds.ways.Vendor`."""

    def __init__(
        self, edges: Edges, *, http: HttpCalls, endpoints: Endpoints | None = None
    ) -> None:
        self._edges = edges
        self._probe_edges = ProbeEdges(
            calls=edges.calls, http=http, endpoints=endpoints or Endpoints()
        )
        self._chains = Chains(_Links(edges), clock=edges.clock, min_lifetime=edges.min_lifetime)

    @classified("issuing a key")
    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> Minted:
        """A new key for the grant, by a session that all grants which ask the same share."""
        if grant.kind in KEPT_KEYS:
            assert intent is not None
            return await (await self.keys(grant, source=source)).create(intent)
        way, key = KEYS[grant.kind], grant.key
        session = await self._chains.session(
            source,
            hop=len(aws_of(source).assume_roles),
            ask=way.asks(key),
            will_do=lambda session, now: way.will_do(key, session=session, now=now),
            not_before=not_before,
        )
        return way.mint(
            key,
            grant=grant,
            session=session,
            region=grant.region(source),
            account_id=account_of(session),
            now=self._edges.clock(),
        )

    @classified("finding the keys")
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> KeptKeys:
        """The grant's keys, by the source's session; one that is deleted may use a former one."""
        hop = len(aws_of(source).assume_roles)
        try:
            session = await self._chains.session(source, hop=hop)
        except Failure:
            former = self._chains.former(source, hop=hop)
            if not grant.deleting or former is None:
                raise
            session = former
        found = KEPT_KEYS[grant.kind](
            key=grant.key,
            grant=grant,
            source=source,
            session=session,
            edges=self._edges,
            evidence=evidence,
        )
        return ClassifiedKeys(found)

    @classified("verifying the source")
    async def verify(
        self, source: CredentialSource, *, anew: bool = False
    ) -> tuple[Session, Caller]:
        """A valid session, and its caller; STS is asked once for each edit of the source."""
        return await self._chains.verified(source, hop=len(aws_of(source).assume_roles), anew=anew)

    @classified("opening a session")
    async def hold(self, source: CredentialSource) -> None:
        """Have a valid session in memory for keys that must be revoked."""
        await self._chains.session(source, hop=len(aws_of(source).assume_roles))

    @classified("probing the key")
    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Try a new key the way that the grant asks for."""
        del source
        probe = grant.spec.probe
        edges = replace(self._probe_edges, tenant=grant.namespace)
        await PROBES[probe.mode](probe, credential=credential, edges=edges)

    @classified("asking for the time")
    async def ask(self, source: CredentialSource) -> None:
        """Ask STS who the source is, for the time that the answer tells."""
        await self._chains.ask(source, hop=len(aws_of(source).assume_roles))

    def has_session(self, source: CredentialSource) -> bool:
        """Whether a session of the source is in memory that can still be used."""
        return self._chains.has_valid(source, hop=len(aws_of(source).assume_roles))

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Whether no session is in memory, or the last attempt to open one failed."""
        return self._chains.is_doubtful(source, hop=len(aws_of(source).assume_roles))

    def forget(self, *, source_uid: str) -> None:
        """Drop what is cached of a source that is gone."""
        self._chains.forget(source_uid=source_uid)
