"""Alibaba Cloud as the controller sees it: the tables of its ways, and the sessions they share."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from keywright.api.alibaba_identities import (
    AlibabaAccessKey,
    AlibabaBearer,
    AlibabaSts,
    CredentialsUri,
    DefaultChain,
    EcsRamRole,
    OidcRoleArn,
    Profile,
    RamRoleArn,
    RsaKeyPair,
)
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.identities import (
    access_key,
    bearer,
    credentials_uri,
    default_chain,
    ecs_ram_role,
    oidc_role_arn,
    profile,
    ram_role_arn,
    rsa_key_pair,
)
from keywright.clouds.alibaba.identities.asking import ROOT, Edges, alibaba_of, endpoint_of
from keywright.clouds.alibaba.identities.assume_role import open_hop
from keywright.clouds.alibaba.keys import bearer_token, session_credentials
from keywright.clouds.alibaba.probes import identity
from keywright.clouds.alibaba.refusals import Asking, refusal
from keywright.clouds.alibaba.sts import StsError
from keywright.clouds.answer_values import ACCOUNT, fits
from keywright.clouds.chains import Chains
from keywright.clouds.classified import classified
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
from keywright.planning.failures import Failure, FailureClass
from keywright.secrets.credential import Credential

# No service tells whose a bearer token is.
_BEARER = "the holder of a bearer token"


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
        """True where the session may be handed on."""

    def mint(
        self, key: Any, *, grant: ApiKeyGrant, session: Session, region: str, account_id: str
    ) -> Minted:
        """A new key; raises Failure."""


IDENTITIES: dict[type, OpenSession] = {
    AlibabaAccessKey: access_key.open_session,
    AlibabaSts: access_key.open_session,
    RamRoleArn: ram_role_arn.open_session,
    EcsRamRole: ecs_ram_role.open_session,
    OidcRoleArn: oidc_role_arn.open_session,
    CredentialsUri: credentials_uri.open_session,
    AlibabaBearer: bearer.open_session,
    RsaKeyPair: rsa_key_pair.open_session,
    Profile: profile.open_session,
    DefaultChain: default_chain.open_session,
}
KEYS: dict[KeyKind, KeyWay] = {
    KeyKind.SESSION_CREDENTIALS: session_credentials,
    KeyKind.BEARER_TOKEN: bearer_token,
}


class _Links:
    """Implements `clouds.chains.Links`."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges

    async def open_first(self, source: CredentialSource, *, ask: SessionAsk) -> Session:
        chosen = alibaba_of(source).identity
        opener = IDENTITIES[type(chosen)]
        return await opener(chosen, source=source, ask=ask, edges=self._edges)

    async def open_hop(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionAsk
    ) -> Session:
        return await open_hop(number, by=by, source=source, ask=ask, edges=self._edges)

    async def caller(self, source: CredentialSource, session: Session) -> Caller:
        if session.bearer is not None:
            return Caller(identity=_BEARER, account_id="")
        try:
            arn, account = await self._edges.sts.caller(session, at=endpoint_of(source))
        except StsError as error:
            raise refusal(error, Asking(fields={"": ROOT})) from None
        return Caller(identity=arn, account_id=account)


class Alibaba:
    """Implements `clouds.ways.Vendor`."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
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
        del intent  # no kind of key lives in Alibaba Cloud
        way, key = KEYS[grant.kind], grant.key
        session = await self._chains.session(
            source,
            hop=len(alibaba_of(source).assume_roles),
            ask=way.asks(key),
            will_do=lambda session, now: way.will_do(key, session=session, now=now),
            not_before=not_before,
        )
        return way.mint(
            key,
            grant=grant,
            session=session,
            region=grant.region(source),
            account_id=_account(session),
        )

    @classified("finding the keys")
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> KeptKeys:
        """None: no kind of key lives in Alibaba Cloud.

        Raises:
            Failure: always. Only a grant whose source was of another cloud before comes here.
        """
        del evidence
        raise Failure(
            f"Alibaba Cloud has no {grant.kind}, and the source that made it was another.",
            kind=FailureClass.CONFIGURATION,
            reason="SourceChanged",
            field="spec.sourceRef.name",
            cure=f"Make CredentialSource {source.name} one of AWS again.",
        )

    @classified("verifying the source")
    async def verify(
        self, source: CredentialSource, *, anew: bool = False
    ) -> tuple[Session, Caller]:
        """A valid session, and its caller; STS is asked once for each edit of the source."""
        return await self._chains.verified(
            source, hop=len(alibaba_of(source).assume_roles), anew=anew
        )

    @classified("probing the key")
    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Try new credentials by GetCallerIdentity, which needs no permission; raises Failure.

        It is all that a grant of Alibaba Cloud may ask for (api.grant_checks).
        """
        del grant
        await identity.attempt(credential, at=endpoint_of(source), edges=self._edges)

    async def hold(self, source: CredentialSource) -> None:
        """Nothing: no key of this cloud has to be revoked."""

    @classified("asking for the time")
    async def ask(self, source: CredentialSource) -> None:
        """Ask STS who the source is, for the time that the answer tells."""
        await self._chains.ask(source, hop=len(alibaba_of(source).assume_roles))

    def has_session(self, source: CredentialSource) -> bool:
        """Whether a session of the source is in memory that can still be used."""
        return self._chains.has_valid(source, hop=len(alibaba_of(source).assume_roles))

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Whether no session is in memory, or the last attempt to open one failed."""
        return self._chains.is_doubtful(source, hop=len(alibaba_of(source).assume_roles))

    def forget(self, *, source_uid: str) -> None:
        """Drop what is cached of a source that is gone."""
        self._chains.forget(source_uid=source_uid)


def _account(session: Session) -> str:
    """The account in an ARN, `acs:SERVICE:REGION:ACCOUNT:...`; empty for what is no account."""
    parts = session.identity.split(":")
    return parts[3] if len(parts) > 3 and fits(parts[3], ACCOUNT) else ""
