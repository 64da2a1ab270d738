"""The provider for AWS: the tables of identities, keys and probes, and the shared sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from keywright.api.aws_source import Ambient, AwsAccessKey, RolesAnywhere, WebIdentity
from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.key_spec import ProbeMode
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource
from keywright.clouds.aws.api_gateway import permissions as api_gateway
from keywright.clouds.aws.api_gateway.keys import GatewayKeys
from keywright.clouds.aws.bedrock import permissions as bedrock
from keywright.clouds.aws.bedrock import short_term
from keywright.clouds.aws.claude_platform import short_term as claude_short_term
from keywright.clouds.aws.clients import AwsContext, account_of, aws_of
from keywright.clouds.aws.codeartifact import tokens as package_tokens
from keywright.clouds.aws.ecr import tokens as registry_tokens
from keywright.clouds.aws.iam import permissions as iam
from keywright.clouds.aws.iam import service_use
from keywright.clouds.aws.iam.user_keys import UserKeys
from keywright.clouds.aws.identities import access_key, ambient, roles_anywhere, web_identity
from keywright.clouds.aws.identities.assume_role import assume_chained_role
from keywright.clouds.aws.kinds import Attempt, IssuedKind, ManagedKind
from keywright.clouds.aws.probes import ProbeContext, probe_bedrock, probe_http, probe_identity
from keywright.clouds.aws.sts import session_credentials
from keywright.clouds.aws.sts.errors import failure_from_session
from keywright.clouds.aws.sts.scoped_credentials import scope_down
from keywright.clouds.aws.sts.sessions import caller_of
from keywright.clouds.classified import ClassifiedKeys, classified
from keywright.clouds.common_refusals import source_changed
from keywright.clouds.endpoints import Endpoints
from keywright.clouds.http import HttpClient
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
from keywright.clouds.rate_limit import pace_key
from keywright.clouds.role_chain import RoleChain
from keywright.secrets.credential import Credential


class OpenSession(Protocol):
    """Opens a session of one type of identity."""

    async def __call__(
        self, identity: Any, *, source: CredentialSource, ask: SessionOptions, context: AwsContext
    ) -> Session:
        """Open a session; raises Failure."""


IDENTITIES: dict[type, OpenSession] = {
    WebIdentity: web_identity.open_session,
    RolesAnywhere: roles_anywhere.open_session,
    AwsAccessKey: access_key.open_session,
    Ambient: ambient.open_session,
}
MANAGED_KEYS: dict[KeyKind, ManagedKind] = {
    KeyKind.BEDROCK_LONG_TERM_KEY: ManagedKind(
        UserKeys, iam.permissions, boundary=bedrock.boundary, probe=probe_bedrock
    ),
    KeyKind.AWS_LONG_TERM_KEY: ManagedKind(
        UserKeys, iam.permissions, boundary=service_use.boundary, probe=service_use.probe
    ),
    KeyKind.API_GATEWAY_KEY: ManagedKind(GatewayKeys, api_gateway.permissions),
}
KEYS: dict[KeyKind, IssuedKind] = {
    KeyKind.BEDROCK_SHORT_TERM_KEY: IssuedKind(
        short_term.KEYS, short_term.permissions, probe=probe_bedrock
    ),
    KeyKind.CLAUDE_PLATFORM_SHORT_TERM_KEY: IssuedKind(
        claude_short_term.KEYS, claude_short_term.permissions, probe=claude_short_term.probe
    ),
    KeyKind.CODE_ARTIFACT_TOKEN: IssuedKind(
        package_tokens, package_tokens.permissions, probe=package_tokens.probe
    ),
    KeyKind.ECR_TOKEN: IssuedKind(
        registry_tokens, registry_tokens.permissions, probe=registry_tokens.probe
    ),
    KeyKind.SESSION_CREDENTIALS: IssuedKind(session_credentials, session_credentials.permissions),
}


# Refusals of AssumeRole for the policies of the request.
_OF_THE_POLICY: Final = frozenset({"MalformedPolicyDocument", "PackedPolicyTooLarge"})
# What a service says of a session that was revoked, or whose role is gone or was created again.
_OF_THE_SESSION: Final = frozenset(
    {"ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException", "AccessDenied"}
)
# A refusal for missing permissions looks the same; retries of it must not cost a session each.
_SESSION_IS_NEW: Final = timedelta(minutes=5)
PROBES: dict[ProbeMode, Attempt] = {
    ProbeMode.IDENTITY: probe_identity,
    ProbeMode.BEDROCK: probe_bedrock,
    ProbeMode.HTTP: probe_http,
}


class _ChainSteps:
    """Implements `role_chain.ChainSteps`."""

    def __init__(self, context: AwsContext) -> None:
        self._context = context

    async def assume_base(self, source: CredentialSource, *, ask: SessionOptions) -> Session:
        chosen = aws_of(source).identity
        opener = IDENTITIES[type(chosen)]
        return await opener(chosen, source=source, ask=ask, context=self._context)

    async def assume_chained_role(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionOptions
    ) -> Session:
        if ask.scoped and number == len(aws_of(source).assume_roles):
            return await scope_down(by, source=source, ask=ask, context=self._context)
        return await assume_chained_role(
            number, by=by, source=source, ask=ask, context=self._context
        )

    async def caller(self, source: CredentialSource, session: Session) -> CallerIdentity:
        aws = aws_of(source)
        try:
            answer = await self._context.calls.run(
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
            raise failure_from_session(error) from None


def _may_have_ended(session: Session, failure: Failure, *, now: datetime) -> bool:
    """Whether a service may have refused a session because of its age, unlike a newer one."""
    if session.session_token is None or failure.reason not in _OF_THE_SESSION:
        return False
    return failure.reason == "ExpiredToken" or now - session.issued_at >= _SESSION_IS_NEW


def _with_field_of(grant: ApiKeyGrant, failure: Failure) -> Failure:
    """The failure, with the grant's field if STS refused the grant's own session policy."""
    limits = grant.key.session_policies
    if not limits or failure.reason not in _OF_THE_POLICY:
        return failure
    if grant.key.is_scoped and failure.field:
        # Those of the source, which has policies of its own.
        return failure
    return failure.with_field(f"spec.{grant.kind}.{limits[0]}")


class Aws:
    """Implements `interfaces.CloudProvider`."""

    def __init__(
        self, context: AwsContext, *, http: HttpClient, endpoints: Endpoints | None = None
    ) -> None:
        self._context = context
        self._probe_context = ProbeContext(
            calls=context.calls, http=http, endpoints=endpoints or Endpoints()
        )
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
        session = await self._session_for(grant, source=source, not_before=not_before)
        try:
            return await self._issue(grant, source=source, session=session)
        except Failure as failure:
            now = self._context.clock()
            if not _may_have_ended(session, failure, now=now):
                raise
        # Revoked, or its role was created again: a new session, once.
        session = await self._session_for(grant, source=source, not_before=now)
        return await self._issue(grant, source=source, session=session)

    async def _session_for(
        self, grant: ApiKeyGrant, *, source: CredentialSource, not_before: datetime | None
    ) -> Session:
        issuer, key = KEYS[grant.kind].issuer, grant.key
        try:
            return await self._role_chain.session(
                source,
                # A scoped session is one more hop after the roles.
                hop=len(aws_of(source).assume_roles) + key.is_scoped,
                ask=issuer.session_options(key, region=grant.region(source)),
                accepts_session=lambda session, now: issuer.accepts_session(
                    key, session=session, now=now
                ),
                not_before=not_before,
            )
        except Failure as failure:
            raise _with_field_of(grant, failure) from None

    async def _issue(
        self, grant: ApiKeyGrant, *, source: CredentialSource, session: Session
    ) -> IssuedKey:
        issued_key = await KEYS[grant.kind].issuer.mint(
            grant.key,
            grant=grant,
            source=source,
            session=session,
            region=grant.region(source),
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
        hop = len(aws_of(source).assume_roles)
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
            source, hop=len(aws_of(source).assume_roles), force=force
        )

    @classified("opening a session")
    async def hold(self, source: CredentialSource) -> None:
        """Ensure a valid session in memory for keys that must be revoked."""
        await self._role_chain.session(source, hop=len(aws_of(source).assume_roles))

    @classified("probing the key")
    async def probe(
        self, grant: ApiKeyGrant, credential: Credential, /, *, source: CredentialSource
    ) -> None:
        """Probe a new key as the grant specifies."""
        del source
        probe = grant.spec.probe
        context = replace(self._probe_context, tenant=grant.namespace, key=grant.key)
        if probe.mode is ProbeMode.SERVICE:
            kind = KEYS.get(grant.kind) or MANAGED_KEYS[grant.kind]
            attempt = kind.probe
            assert attempt is not None  # `KeySpec.probe_modes` of other kinds lacks the mode
        else:
            attempt = PROBES[probe.mode]
        await attempt(probe, credential=credential, context=context)

    @classified("asking for the time")
    async def ask(self, source: CredentialSource) -> None:
        """Call GetCallerIdentity to learn the time of STS."""
        await self._role_chain.ask(source, hop=len(aws_of(source).assume_roles))

    def has_session(self, source: CredentialSource) -> bool:
        """Whether a valid session of the source is in memory."""
        return self._role_chain.has_valid(source, hop=len(aws_of(source).assume_roles))

    def is_doubtful(self, source: CredentialSource) -> bool:
        """Whether no session is in memory, or the last attempt to open one failed."""
        return self._role_chain.is_doubtful(source, hop=len(aws_of(source).assume_roles))

    def forget(self, *, source_uid: str) -> None:
        """Drop the cached sessions of a deleted source."""
        self._role_chain.forget(source_uid=source_uid)
