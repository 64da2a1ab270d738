"""A profile of a configuration file in a Secret, including the chain of profiles it refers to.

Everything that the file names is in the Secret or belongs to the source's own namespace: a token
file is replaced by a token of the ServiceAccount that the source names, a key file by another key
of the Secret, and the node's role needs the same flag as for `ecsRamRole`.
"""

from __future__ import annotations

from dataclasses import replace

from keywright.api.alibaba_source import (
    Profile,
    ProfileFormat,
)
from keywright.api.durations import parse_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    DEFAULT_DURATION,
    GRANTS_DURATION,
    GRANTS_POLICY,
    ROOT,
    AlibabaContext,
    endpoint_of,
    reject_session_options,
    session_name,
    verify_identity,
)
from keywright.clouds.alibaba.credentials import stored_value
from keywright.clouds.alibaba.identities import ecs_ram_role
from keywright.clouds.alibaba.identities.oidc_role_arn import exchanged
from keywright.clouds.alibaba.identities.roles import (
    Role,
    SecretRef,
    assume,
    encoded,
)
from keywright.clouds.alibaba.identities.rsa_key_pair import generated
from keywright.clouds.alibaba.profiles.cli_config import from_cli_config
from keywright.clouds.alibaba.profiles.credentials_file import from_credentials_file
from keywright.clouds.alibaba.profiles.resolved import (
    KeyPair,
    NodeRole,
    ProfileError,
    ProfileRole,
    ResolvedProfile,
    StoredKey,
)
from keywright.clouds.alibaba.sts.client import Endpoint
from keywright.clouds.alibaba.sts.errors import RequestContext
from keywright.clouds.answer_values import (
    ALIBABA_KEY_ID,
    ALIBABA_SECRET,
    ALIBABA_TOKEN,
    stored,
)
from keywright.clouds.interfaces import DEFAULT_OPTIONS, Session, SessionOptions, whole_seconds
from keywright.secrets.references import ReferencedSecret

_FIELD = f"{ROOT}.profile"
_READERS = {
    ProfileFormat.CLI_CONFIG: from_cli_config,
    ProfileFormat.CREDENTIALS_FILE: from_credentials_file,
}


async def open_session(
    identity: Profile, *, source: CredentialSource, ask: SessionOptions, context: AlibabaContext
) -> Session:
    """Open the session of the profile's last role, or return its key.

    Raises:
        Failure: the file or the profile is invalid, or the cloud refuses one of its steps.
    """
    name = identity.secret_ref.name
    secret = await context.secrets.values(
        namespace=source.namespace, name=name, field=f"{_FIELD}.secretRef"
    )
    text = stored_value(secret, identity.file, secret=name, field=f"{_FIELD}.key").reveal()
    try:
        profile = _READERS[identity.format](text, name=identity.name)
    except ProfileError as error:
        raise Failure(
            f"Secret {name}, {identity.file}: {error.message}.",
            kind=FailureClass.CONFIGURATION,
            reason="InvalidProfile",
            field=_FIELD,
            remedy=error.remedy,
        ) from None
    if _sends_values(profile):
        secret.check_copy(identity.file)
    return await _ProfileResolver(identity, source=source, secret=secret, context=context).resolve(
        profile, ask
    )


def _sends_values(profile: ResolvedProfile) -> bool:
    """Whether requests contain a token, an external ID or a policy from the file."""
    token = profile.start.token if isinstance(profile.start, StoredKey) else None
    return token is not None or any(role.external_id or role.policy for role in profile.roles)


class _ProfileResolver:
    """Resolves a profile, from its first credentials to its last role."""

    def __init__(
        self,
        identity: Profile,
        *,
        source: CredentialSource,
        secret: ReferencedSecret,
        context: AlibabaContext,
    ) -> None:
        self._identity = identity
        self._source = source
        self._secret = secret
        self._context = context
        self._place = SecretRef(identity.secret_ref.name, f"{_FIELD}.secretRef")

    async def resolve(self, profile: ResolvedProfile, ask: SessionOptions) -> Session:
        """The last session; the session options of the grant apply to that one."""
        roles = [self._role(role, DEFAULT_OPTIONS) for role in profile.roles[:-1]]
        if profile.roles:
            roles.append(self._role(profile.roles[-1], ask))
        else:
            reject_session_options(ask, way=f"profile {profile.name}")
        if profile.start is None:
            session = await self._by_token(profile.roles[0], roles[0])
            done = 1
        else:
            session = await self._start(profile.start, alone=not roles)
            done = 0
        for found, role in zip(profile.roles[done:], roles[done:], strict=True):
            session = await assume(
                role, by=session, key=self._place, at=self._endpoint(found), context=self._context
            )
        return session

    async def _start(self, start: StoredKey | NodeRole | KeyPair, *, alone: bool) -> Session:
        """The first key or session of the chain; verified if the chain has nothing else."""
        context, source = self._context, self._source
        asking = RequestContext(
            fields={"": _FIELD, "key": self._place.field}, secret=self._place.secret
        )
        match start:
            case StoredKey(access_key_id=key_id, secret=secret, token=token):
                place = self._place
                for text, form in (
                    (key_id, ALIBABA_KEY_ID),
                    (secret.reveal(), ALIBABA_SECRET),
                    (token.reveal() if token else "none", ALIBABA_TOKEN),
                ):
                    stored(
                        text,
                        form,
                        secret_name=place.secret,
                        key=self._identity.file,
                        field=place.field,
                    )
                session = Session(
                    access_key_id=key_id,
                    secret_access_key=secret,
                    session_token=token,
                    issued_at=whole_seconds(context.clock()),
                    expires_at=None,
                    identity="",
                    not_shared=self._secret.consent(self._identity.file),
                )
            case NodeRole(role_name=name):
                if context.own is None:
                    raise ecs_ram_role.not_allowed(_FIELD, remedy="Use another profile")
                session = await ecs_ram_role.node_session(
                    name, hardened_alone=True, field=_FIELD, source=source, context=context
                )
            case KeyPair(public_key_id=key_id, private_key_file=file):
                return await generated(
                    key_id,
                    private_key=stored_value(
                        self._secret,
                        file,
                        secret=self._place.secret,
                        field=self._place.field,
                    ),
                    seconds=int(parse_duration(DEFAULT_DURATION)),
                    asking=asking,
                    source=source,
                    context=context,
                )
        if not alone:
            return session
        return await verify_identity(session, source=source, asking=asking, context=context)

    async def _by_token(self, found: ProfileRole, role: Role) -> Session:
        account = self._identity.service_account_ref
        if account is None:
            raise Failure(
                "the profile reads a token from a file, and files of the operator's pod are not"
                " for it.",
                kind=FailureClass.CONFIGURATION,
                reason="NoServiceAccount",
                field=f"{_FIELD}.serviceAccountRef",
                remedy="Name the ServiceAccount, of this namespace, whose token is meant.",
            )
        assert found.provider_arn is not None
        return await exchanged(
            role,
            provider_arn=found.provider_arn,
            account=account,
            source=self._source,
            at=self._endpoint(found),
            context=self._context,
        )

    def _role(self, found: ProfileRole, ask: SessionOptions) -> Role:
        if found.policy is not None and ask.policy is not None:
            raise Failure(
                "the profile's last role has a policy already, and STS takes one.",
                kind=FailureClass.CONFIGURATION,
                reason="ConflictingSessionPolicies",
                field=GRANTS_POLICY,
                remedy="Remove it here, or the policy of the profile.",
            )
        # All of it is in the file.
        fields = dict.fromkeys(("", "role", "sessionName", "duration", "policy"), _FIELD)
        if ask.seconds is not None:
            fields["duration"] = GRANTS_DURATION
        if ask.policy is not None:
            fields["policy"] = GRANTS_POLICY
        return Role(
            arn=found.arn,
            session_name=found.session_name or session_name(self._source),
            seconds=ask.seconds or found.seconds or int(parse_duration(DEFAULT_DURATION)),
            fields=fields,
            policy=found.policy or encoded(ask.policy),
            external_id=found.external_id,
            is_stored=True,
        )

    def _endpoint(self, found: ProfileRole) -> Endpoint:
        own = endpoint_of(self._source)
        return replace(own, host=found.host or own.host)
