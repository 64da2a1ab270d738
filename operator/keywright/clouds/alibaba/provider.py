"""The provider for Alibaba Cloud: the tables of identities and keys, and the shared sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from keywright.api.alibaba_source import (
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
from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    ROOT,
    AlibabaContext,
    alibaba_of,
    endpoint_of,
)
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
from keywright.clouds.alibaba.identities.roles import assume_chained_role
from keywright.clouds.alibaba.sts import session_credentials
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, refusal
from keywright.clouds.answer_values import ACCOUNT, fits
from keywright.clouds.classified import classified
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
from keywright.secrets.credential import Credential

# No service reports the owner of a bearer token.
_BEARER = "the holder of a bearer token"


class OpenSession(Protocol):
    """Opens a session of one type of identity."""

    async def __call__(
        self,
        identity: Any,
        *,
        source: CredentialSource,
        ask: SessionOptions,
        context: AlibabaContext,
    ) -> Session:
        """Open a session; raises Failure."""


class KeyIssuer(Protocol):
    """Issues one kind of key: its session options, the sessions that it accepts, the key."""

    def session_options(self, key: Any) -> SessionOptions:
        """The session options of the key, beyond those of the source."""

    def accepts_session(self, key: Any, *, session: Session, now: datetime) -> bool:
        """Whether the session may be used for the key."""

    def mint(
        self, key: Any, *, grant: ApiKeyGrant, session: Session, region: str, account_id: str
    ) -> IssuedKey:
        """Issue a key; raises Failure."""


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
KEYS: dict[KeyKind, KeyIssuer] = {
    KeyKind.SESSION_CREDENTIALS: session_credentials,
    KeyKind.BEARER_TOKEN: bearer,
}


class _ChainSteps:
    """Implements `role_chain.ChainSteps`."""

    def __init__(self, context: AlibabaContext) -> None:
        self._context = context

    async def assume_base(self, source: CredentialSource, *, ask: SessionOptions) -> Session:
        chosen = alibaba_of(source).identity
        opener = IDENTITIES[type(chosen)]
        return await opener(chosen, source=source, ask=ask, context=self._context)

    async def assume_chained_role(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionOptions
    ) -> Session:
        return await assume_chained_role(
            number, by=by, source=source, ask=ask, context=self._context
        )

    async def caller(self, source: CredentialSource, session: Session) -> CallerIdentity:
        if session.bearer is not None:
            return CallerIdentity(identity=_BEARER, account_id="")
        try:
            arn, account = await self._context.sts.caller(session, at=endpoint_of(source))
        except StsError as error:
            raise refusal(error, RequestContext(fields={"": ROOT})) from None
        return CallerIdentity(identity=arn, account_id=account)


class Alibaba:
    """Implements `interfaces.CloudProvider`."""

    def __init__(self, context: AlibabaContext) -> None:
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
        """Issue a key, with a session that all grants with the same options share."""
        del intent  # Alibaba Cloud has no managed keys
        way, key = KEYS[grant.kind], grant.key
        session = await self._role_chain.session(
            source,
            hop=len(alibaba_of(source).assume_roles),
            ask=way.session_options(key),
            accepts_session=lambda session, now: way.accepts_session(key, session=session, now=now),
            not_before=not_before,
        )
        issued_key = way.mint(
            key,
            grant=grant,
            session=session,
            region=grant.region(source),
            account_id=_account(session),
        )
        return replace(issued_key, identity=session.identity)

    @classified("finding the keys")
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        """Not supported: Alibaba Cloud has no managed keys.

        Raises:
            Failure: always. Only reached by a grant whose source was in another cloud before.
        """
        del evidence
        raise Failure(
            f"Alibaba Cloud has no {grant.kind}, and the source that made it was another.",
            kind=FailureClass.CONFIGURATION,
            reason="SourceChanged",
            field="spec.sourceRef.name",
            remedy=f"Make CredentialSource {source.name} one of AWS again.",
        )

    @classified("verifying the source")
    async def verify(
        self, source: CredentialSource, *, force: bool = False
    ) -> tuple[Session, CallerIdentity]:
        """A valid session, and its caller; STS is called once for each edit of the source."""
        return await self._role_chain.verified(
            source, hop=len(alibaba_of(source).assume_roles), force=force
        )

    @classified("probing the key")
    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Probe new credentials by GetCallerIdentity, which needs no permission; raises Failure.

        It is the only probe for grants of Alibaba Cloud (api.grant_checks).
        """
        del grant
        await session_credentials.probe_identity(
            credential, at=endpoint_of(source), sts=self._context.sts
        )

    async def hold(self, source: CredentialSource) -> None:
        """Do nothing: no key of this cloud has to be revoked."""

    @classified("asking for the time")
    async def ask(self, source: CredentialSource) -> None:
        """Call GetCallerIdentity to learn the time of STS."""
        await self._role_chain.ask(source, hop=len(alibaba_of(source).assume_roles))

    def has_session(self, source: CredentialSource) -> bool:
        """Whether a valid session of the source is in memory."""
        return self._role_chain.has_valid(source, hop=len(alibaba_of(source).assume_roles))

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Whether no session is in memory, or the last attempt to open one failed."""
        return self._role_chain.is_doubtful(source, hop=len(alibaba_of(source).assume_roles))

    def forget(self, *, source_uid: str) -> None:
        """Drop the cached sessions of a deleted source."""
        self._role_chain.forget(source_uid=source_uid)


def _account(session: Session) -> str:
    """The account in an ARN, `acs:SERVICE:REGION:ACCOUNT:...`; empty if it is not an account ID."""
    parts = session.identity.split(":")
    return parts[3] if len(parts) > 3 and fits(parts[3], ACCOUNT) else ""
