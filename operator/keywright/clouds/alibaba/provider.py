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
from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.key_spec import ProbeMode
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba import session_credentials
from keywright.clouds.alibaba.api_calls import account_of
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
from keywright.clouds.alibaba.kinds import IssuedKind, ManagedKind, needs_nothing
from keywright.clouds.alibaba.modelstudio import keys as model_studio
from keywright.clouds.alibaba.modelstudio import probe as model_studio_probe
from keywright.clouds.alibaba.modelstudio import temporary
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, refusal
from keywright.clouds.classified import ClassifiedKeys, classified
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
MANAGED_KEYS: dict[KeyKind, ManagedKind] = {
    KeyKind.MODEL_STUDIO_KEY: ManagedKind(
        model_studio.ModelStudioKeys, model_studio.permissions, probe=model_studio_probe.probe
    ),
}
KEYS: dict[KeyKind, IssuedKind] = {
    KeyKind.SESSION_CREDENTIALS: IssuedKind(session_credentials, session_credentials.permissions),
    KeyKind.BEARER_TOKEN: IssuedKind(bearer, needs_nothing),
    KeyKind.MODEL_STUDIO_TEMPORARY_KEY: IssuedKind(temporary, needs_nothing),
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
        if grant.kind in MANAGED_KEYS:
            assert intent is not None
            return await (await self.keys(grant, source=source)).create(intent)
        way, key = KEYS[grant.kind].issuer, grant.key
        session = await self._role_chain.session(
            source,
            hop=len(alibaba_of(source).assume_roles),
            ask=way.session_options(key),
            accepts_session=lambda session, now: way.accepts_session(key, session=session, now=now),
            not_before=not_before,
        )
        issued_key = await way.mint(
            key,
            grant=grant,
            source=source,
            session=session,
            account_id=account_of(session),
            context=self._context,
        )
        return replace(issued_key, identity=session.identity)

    @classified("finding the keys")
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        """The grant's keys, by the source's session; a grant in deletion may use an earlier one."""
        kind = MANAGED_KEYS.get(grant.kind)
        if kind is None:
            raise source_changed(grant, source)
        hop = len(alibaba_of(source).assume_roles)
        try:
            session = await self._role_chain.session(source, hop=hop)
        except Failure:
            former = self._role_chain.last_valid_session(source, hop=hop)
            if not grant.deleting or former is None:
                raise
            session = former
        found = kind.keys(
            key=grant.key,
            grant=grant,
            source=source,
            session=session,
            context=self._context,
            evidence=evidence,
        )
        return ClassifiedKeys(found)

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
        """Probe a new key as the grant specifies; raises Failure."""
        if grant.spec.probe.mode is ProbeMode.SERVICE:
            kind = KEYS.get(grant.kind) or MANAGED_KEYS[grant.kind]
            attempt = kind.probe
            assert attempt is not None  # `KeySpec.probe_modes` of other kinds lacks the mode
        else:
            # The only other one: GetCallerIdentity, which needs no permission.
            attempt = session_credentials.probe_identity
        await attempt(grant, credential=credential, source=source, context=self._context)

    @classified("opening a session")
    async def hold(self, source: CredentialSource) -> None:
        """Ensure a valid session in memory for keys that must be revoked."""
        await self._role_chain.session(source, hop=len(alibaba_of(source).assume_roles))

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
