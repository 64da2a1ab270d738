"""Identities in AWS, and the role chain that starts from one."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, TypeAlias

import msgspec

from keywright.api.errors import FieldError
from keywright.api.schema import (
    KeyIdentity,
    Listed,
    Marker,
    Policy,
    Region,
    SecretKeySource,
    SecretReference,
    ServiceAccountReference,
    SpecStruct,
    Text,
    fields_of,
)

AWS_AUDIENCE = "sts.amazonaws.com"
# Keys of the Secret of an access key; the token is only set for temporary credentials.
AWS_ID, AWS_SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
AWS_TOKEN = "AWS_SESSION_TOKEN"  # noqa: S105  a key of a Secret
TLS_CERTIFICATE, TLS_KEY = "tls.crt", "tls.key"
"""Keys of a Secret of type kubernetes.io/tls, such as cert-manager writes."""
ALL_SESSION_ASKS: Final = frozenset({"duration", "policy", "policyArns"})
"""The options of grants that the session of a role can have."""


_ANYWHERE: Final = r"^arn:aws[a-z-]*:rolesanywhere:[a-z]{2,4}(-[a-z0-9]+)+:[0-9]{12}"
_UUID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
TrustAnchorArn: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=160, pattern=rf"{_ANYWHERE}:trust-anchor/{_UUID}")
]
"""The ARN of a trust anchor, whose region becomes part of a host name."""
ProfileArn: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=160, pattern=rf"{_ANYWHERE}:profile/{_UUID}")
]
"""The ARN of a profile of IAM Roles Anywhere."""


class WebIdentity(SpecStruct, frozen=True):
    """AssumeRoleWithWebIdentity with a token of a ServiceAccount in the same namespace.

    Without `role_arn`, the role is that of the ServiceAccount annotation
    `eks.amazonaws.com/role-arn`.
    """

    session_asks: ClassVar = ALL_SESSION_ASKS

    service_account_ref: ServiceAccountReference
    role_arn: Text | None = None
    session_name: Text | None = None
    session_duration: str | None = None
    policy_arns: Listed[Text] = ()
    policy: Policy | None = None

    @property
    def audience(self) -> str:
        """The audience of the token."""
        audiences = self.service_account_ref.audiences
        return audiences[0] if audiences else AWS_AUDIENCE

    def key_identity(self) -> KeyIdentity:
        """The role and its session restrictions; the ServiceAccount only if it names the role.

        The session's duration and name are not part of the identity.
        """
        who: KeyIdentity = (
            {"roleArn": self.role_arn}
            if self.role_arn
            else {"serviceAccount": self.service_account_ref.name}
        )
        return {"webIdentity": who | session_limits(self.policy_arns, policy=self.policy)}


class RolesAnywhere(SpecStruct, frozen=True):
    """A session of IAM Roles Anywhere, by an X.509 certificate and its private key in a Secret.

    CreateSession takes no session policy; those of the profile limit its sessions. Without
    `session_name`, AWS uses the serial number of the certificate.
    """

    session_asks: ClassVar = frozenset({"duration"})

    trust_anchor_arn: TrustAnchorArn
    profile_arn: ProfileArn
    role_arn: Text
    secret_ref: SecretReference
    session_name: Text | None = None
    session_duration: str | None = None

    @property
    def region(self) -> str:
        """The region of the trust anchor, whose endpoint is called."""
        return self.trust_anchor_arn.split(":")[3]

    def key_identity(self) -> KeyIdentity:
        """The role and the profile, which limits its sessions: certificates are replaced freely."""
        return {"rolesAnywhere": {"roleArn": self.role_arn, "profileArn": self.profile_arn}}


class AwsAccessKey(SpecStruct, frozen=True):
    """A static access key, optionally with a session token, in a Secret."""

    secret_ref: SecretReference

    def key_identity(self) -> KeyIdentity:
        """The name of the Secret: the access key in it may be rotated freely."""
        return {"accessKey": self.secret_ref.name}


class Ambient(Marker, frozen=True):
    """The default credential chain of the operator itself."""

    def key_identity(self) -> KeyIdentity:
        """Only the choice itself."""
        return {"ambient": {}}


class AwsHop(SpecStruct, frozen=True):
    """One role of a chain, assumed with the credentials of the previous hop."""

    role_arn: Text
    external_id: Text | None = None
    external_id_from: SecretKeySource | None = None
    session_duration: str | None = None
    session_tags: Mapping[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: Text | None = None
    policy: Policy | None = None
    policy_arns: Listed[Text] = ()

    def key_identity(self) -> KeyIdentity:
        """The role, its session restrictions, and the tags and source identity policies can use."""
        identity: KeyIdentity = {"roleArn": self.role_arn} | session_limits(
            self.policy_arns, policy=self.policy
        )
        if self.session_tags:
            identity["sessionTags"] = dict(self.session_tags)
        if self.source_identity:
            identity["sourceIdentity"] = self.source_identity
        return identity


AssumedRole: TypeAlias = WebIdentity | RolesAnywhere
"""Identities that are a session of a role, with `role_arn` and `session_duration`."""
AwsIdentity: TypeAlias = AssumedRole | AwsAccessKey | Ambient


class AwsSource(SpecStruct, frozen=True):
    """An identity in AWS, and the role chain that starts from it."""

    region: Region
    sts_endpoint: Text | None = None
    web_identity: WebIdentity | None = None
    roles_anywhere: RolesAnywhere | None = None
    access_key: AwsAccessKey | None = None
    ambient: Ambient | None = None
    assume_roles: tuple[AwsHop, ...] = ()

    @classmethod
    def identity_fields(cls) -> tuple[str, ...]:
        """The names of the identity fields, exactly one of which is set."""
        return tuple(_IDENTITIES.values())

    def identities(self) -> tuple[AwsIdentity, ...]:
        """The identities that are set; parsing ensures that there is exactly one."""
        every = (getattr(self, name) for name in _IDENTITIES)
        return tuple(identity for identity in every if identity is not None)

    @property
    def identity(self) -> AwsIdentity:
        """The identity."""
        return self.identities()[0]

    @property
    def base_role(self) -> AssumedRole | None:
        """The identity, if it is a session of a role; None for static keys."""
        identity = self.identity
        return identity if isinstance(identity, AssumedRole) else None

    @property
    def session_asks(self) -> frozenset[str]:
        """The options of grants that the last session can have; empty if there is no session."""
        if self.assume_roles:
            return ALL_SESSION_ASKS
        role = self.base_role
        return frozenset() if role is None else role.session_asks

    def hop_actions(self, number: int) -> list[str]:
        """The actions that both policies must allow for a role of the chain, numbered from 0.

        Transitive tags and a source identity are passed on to all later roles, and IAM Roles
        Anywhere sets the source identity itself.
        """
        hops = self.assume_roles[: number + 1]
        actions = ["sts:AssumeRole"]
        if hops[-1].session_tags or any(hop.transitive_tag_keys for hop in hops):
            actions.append("sts:TagSession")
        if self.roles_anywhere is not None or any(hop.source_identity for hop in hops):
            actions.append("sts:SetSourceIdentity")
        return actions

    @property
    def session_policies(self) -> tuple[str, tuple[str, ...]]:
        """The path of the last session's policy fields, and those that are set there."""
        last = self.assume_roles[-1] if self.assume_roles else self.web_identity
        if last is None:
            return "aws", ()
        place = f"assumeRoles[{len(self.assume_roles) - 1}]" if self.assume_roles else "webIdentity"
        fields = (("policy", last.policy), ("policyArns", last.policy_arns))
        return f"aws.{place}", tuple(field for field, set_ in fields if set_)

    @property
    def secret_keys(self) -> Mapping[str, frozenset[str]]:
        """The Secrets in the source's namespace that it reads, each with the keys it needs."""
        keys: dict[str, set[str]] = {}
        for hop in self.assume_roles:
            if hop.external_id_from is not None:
                reference = hop.external_id_from.secret_key_ref
                keys.setdefault(reference.name, set()).add(reference.key)
        if self.access_key is not None:
            keys.setdefault(self.access_key.secret_ref.name, set()).update((AWS_ID, AWS_SECRET))
        if self.roles_anywhere is not None:
            name = self.roles_anywhere.secret_ref.name
            keys.setdefault(name, set()).update((TLS_CERTIFICATE, TLS_KEY))
        return {name: frozenset(needed) for name, needed in keys.items()}

    def key_identity(self) -> KeyIdentity:
        """The facts that identify a key issued from this source, without endpoint and durations."""
        state = self.identity.key_identity()
        if self.assume_roles:
            state["assumeRoles"] = [hop.key_identity() for hop in self.assume_roles]
        return state


_IDENTITIES: Final = fields_of(AwsSource, AwsIdentity)


def session_limits(policy_arns: tuple[str, ...], *, policy: Policy | None) -> KeyIdentity:
    """The session policies as identity facts; their order has no meaning to AWS."""
    identity: KeyIdentity = {}
    if policy_arns:
        identity["policyArns"] = sorted(policy_arns)
    if policy is not None:
        identity["policy"] = policy
    return identity


def scope_errors(field: str, limits: tuple[str, ...]) -> Iterator[FieldError]:
    """Errors of `scopedSession` with these limits: GetScopedCredentials takes one policy."""
    if "policyArns" in limits:
        yield FieldError(
            f"{field}.policyArns",
            "sts:GetScopedCredentials takes no policies by ARN: write policy, or remove"
            " scopedSession",
        )
    if not limits:
        yield FieldError(
            f"{field}.scopedSession",
            "nothing limits the session: set policy, or remove scopedSession",
        )
