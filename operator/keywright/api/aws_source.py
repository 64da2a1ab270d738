"""The ways to be someone in AWS."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from keywright.api.schema import (
    KeyIdentity,
    Marker,
    Policy,
    Region,
    SecretKeySource,
    SecretReference,
    ServiceAccountReference,
    SpecStruct,
    fields_of,
)

AWS_AUDIENCE = "sts.amazonaws.com"
# What the Secret of an access key holds; the token only of temporary credentials.
AWS_ID, AWS_SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
AWS_TOKEN = "AWS_SESSION_TOKEN"  # noqa: S105  the name of a key


class WebIdentity(SpecStruct, frozen=True):
    """AssumeRoleWithWebIdentity with a token of a ServiceAccount of the same namespace.

    Without `role_arn` the role is the one of the ServiceAccount's annotation
    `eks.amazonaws.com/role-arn`.
    """

    service_account_ref: ServiceAccountReference
    role_arn: str | None = None
    session_name: str | None = None
    session_duration: str | None = None
    policy_arns: tuple[str, ...] = ()
    policy: Policy | None = None

    @property
    def audience(self) -> str:
        """Whom the token is meant for."""
        audiences = self.service_account_ref.audiences
        return audiences[0] if audiences else AWS_AUDIENCE

    def key_identity(self) -> KeyIdentity:
        """The role, and what limits its session; the ServiceAccount only where it names the role.

        How long the session lasts and what it is called decide nothing about the key.
        """
        who: KeyIdentity = (
            {"roleArn": self.role_arn}
            if self.role_arn
            else {"serviceAccount": self.service_account_ref.name}
        )
        return {"webIdentity": who | session_limits(self.policy_arns, policy=self.policy)}


class AwsAccessKey(SpecStruct, frozen=True):
    """A static access key, optionally with a session token, in a Secret."""

    secret_ref: SecretReference

    def key_identity(self) -> KeyIdentity:
        """The Secret's name: what stands in it may be rotated freely."""
        return {"accessKey": self.secret_ref.name}


class Ambient(Marker, frozen=True):
    """The operator's own identity."""

    def key_identity(self) -> KeyIdentity:
        """Nothing but the choice."""
        return {"ambient": {}}


class AwsHop(SpecStruct, frozen=True):
    """One role of a chain, assumed with the credentials of the hop before."""

    role_arn: str
    external_id: str | None = None
    external_id_from: SecretKeySource | None = None
    session_duration: str | None = None
    session_tags: Mapping[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str | None = None
    policy: Policy | None = None
    policy_arns: tuple[str, ...] = ()

    def key_identity(self) -> KeyIdentity:
        """The role, what limits it, and the tags and identity that its policies may look at."""
        identity: KeyIdentity = {"roleArn": self.role_arn} | session_limits(
            self.policy_arns, policy=self.policy
        )
        if self.session_tags:
            identity["sessionTags"] = dict(self.session_tags)
        if self.source_identity:
            identity["sourceIdentity"] = self.source_identity
        return identity


AwsIdentity: TypeAlias = WebIdentity | AwsAccessKey | Ambient


class AwsSource(SpecStruct, frozen=True):
    """An identity in AWS, and the chain of roles that starts from it."""

    region: Region
    sts_endpoint: str | None = None
    web_identity: WebIdentity | None = None
    access_key: AwsAccessKey | None = None
    ambient: Ambient | None = None
    assume_roles: tuple[AwsHop, ...] = ()

    @classmethod
    def identity_fields(cls) -> tuple[str, ...]:
        """The names of the fields that have an identity: exactly one of them is set."""
        return tuple(_IDENTITIES.values())

    def identities(self) -> tuple[AwsIdentity, ...]:
        """The identities that are set; parsing lets exactly one through."""
        every = (getattr(self, name) for name in _IDENTITIES)
        return tuple(identity for identity in every if identity is not None)

    @property
    def identity(self) -> AwsIdentity:
        """The one identity."""
        return self.identities()[0]

    @property
    def session_policies(self) -> tuple[str, tuple[str, ...]]:
        """Where the last session's policies would stand, and the fields that are set there."""
        last = self.assume_roles[-1] if self.assume_roles else self.web_identity
        if last is None:
            return "aws", ()
        place = f"assumeRoles[{len(self.assume_roles) - 1}]" if self.assume_roles else "webIdentity"
        fields = (("policy", last.policy), ("policyArns", last.policy_arns))
        return f"aws.{place}", tuple(field for field, set_ in fields if set_)

    @property
    def secret_keys(self) -> Mapping[str, frozenset[str]]:
        """The Secrets, of the source's own namespace, that it reads, and the keys that it needs."""
        keys: dict[str, set[str]] = {}
        for hop in self.assume_roles:
            if hop.external_id_from is not None:
                reference = hop.external_id_from.secret_key_ref
                keys.setdefault(reference.name, set()).add(reference.key)
        if self.access_key is not None:
            keys.setdefault(self.access_key.secret_ref.name, set()).update((AWS_ID, AWS_SECRET))
        return {name: frozenset(needed) for name, needed in keys.items()}

    def key_identity(self) -> KeyIdentity:
        """What decides what a key minted here is; neither the endpoint nor any duration does."""
        state = self.identity.key_identity()
        if self.assume_roles:
            state["assumeRoles"] = [hop.key_identity() for hop in self.assume_roles]
        return state


_IDENTITIES: Final = fields_of(AwsSource, AwsIdentity)


def session_limits(policy_arns: tuple[str, ...], *, policy: Policy | None) -> KeyIdentity:
    """The session policies as facts; their order means nothing to AWS."""
    identity: KeyIdentity = {}
    if policy_arns:
        identity["policyArns"] = sorted(policy_arns)
    if policy is not None:
        identity["policy"] = policy
    return identity
