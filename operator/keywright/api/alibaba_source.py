"""Identities in Alibaba Cloud, and the role chain that starts from one."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from keywright.api.schema import (
    KeyIdentity,
    Marker,
    Policy,
    Region,
    SecretKeyReference,
    SecretReference,
    ServiceAccountReference,
    SpecStruct,
    Text,
    fields_of,
)

ALIBABA_AUDIENCE = "sts.aliyuncs.com"
# Keys of the Secrets that hold access keys and tokens.
ALIBABA_ID, ALIBABA_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
ALIBABA_TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105  a key of a Secret
ALIBABA_BEARER = "ALIBABA_CLOUD_BEARER_TOKEN"


class ProfileFormat(StrEnum):
    """The format of a file of profiles."""

    CLI_CONFIG = "CliConfig"
    CREDENTIALS_FILE = "CredentialsFile"


_FILES = {ProfileFormat.CLI_CONFIG: "config.json", ProfileFormat.CREDENTIALS_FILE: "credentials"}


def audience_of(reference: ServiceAccountReference) -> str:
    """The audience of the ServiceAccount token."""
    return reference.audiences[0] if reference.audiences else ALIBABA_AUDIENCE


class AlibabaAccessKey(SpecStruct, frozen=True):
    """A static access key in a Secret."""

    secret_ref: SecretReference

    def key_identity(self) -> KeyIdentity:
        """The Secret's name."""
        return {"accessKey": self.secret_ref.name}


class AlibabaSts(SpecStruct, frozen=True):
    """A static STS token in a Secret."""

    secret_ref: SecretReference

    def key_identity(self) -> KeyIdentity:
        """The Secret's name."""
        return {"sts": self.secret_ref.name}


class RamRoleArn(SpecStruct, frozen=True):
    """A RAM role, assumed with a static access key."""

    secret_ref: SecretReference
    role_arn: Text
    role_session_name: Text | None = None
    role_session_expiration: str | None = None
    policy: Policy | None = None
    external_id: Text | None = None

    def key_identity(self) -> KeyIdentity:
        """The role and its session restrictions."""
        return {"ramRoleArn": _role(self.role_arn, policy=self.policy)}


class EcsRamRole(SpecStruct, frozen=True):
    """The RAM role of the node, from the instance metadata service."""

    role_name: Text | None = None
    disable_imds_v1: bool = True

    def key_identity(self) -> KeyIdentity:
        """The name of the role; without one, the role that the node has."""
        return {"ecsRamRole": self.role_name}


class OidcRoleArn(SpecStruct, frozen=True):
    """AssumeRoleWithOIDC with a token of a ServiceAccount in the same namespace.

    Without `role_arn`, the role is that of the ServiceAccount annotation
    `pod-identity.alibabacloud.com/role-name`, in the account of the OIDC provider.
    """

    service_account_ref: ServiceAccountReference
    oidc_provider_arn: Text
    role_arn: Text | None = None
    role_session_name: Text | None = None
    role_session_expiration: str | None = None
    policy: Policy | None = None

    def key_identity(self) -> KeyIdentity:
        """The role and its session restrictions; the ServiceAccount only if it names the role."""
        if self.role_arn is not None:
            return {"oidcRoleArn": _role(self.role_arn, policy=self.policy)}
        who: KeyIdentity = {"serviceAccount": self.service_account_ref.name}
        return {"oidcRoleArn": who | ({} if self.policy is None else {"policy": self.policy})}


class CredentialsUri(SpecStruct, frozen=True):
    """A URI that returns credentials; the operator has a list of allowed URIs."""

    uri: Text

    def key_identity(self) -> KeyIdentity:
        """The URI."""
        return {"credentialsUri": self.uri}


class AlibabaBearer(SpecStruct, frozen=True):
    """A bearer token in a Secret."""

    secret_ref: SecretReference

    def key_identity(self) -> KeyIdentity:
        """The Secret's name."""
        return {"bearer": self.secret_ref.name}


class RsaKeyPair(SpecStruct, frozen=True):
    """A session obtained with an RSA key pair."""

    public_key_id: Text
    private_key_secret_ref: SecretKeyReference
    session_expiration: str | None = None

    def key_identity(self) -> KeyIdentity:
        """The ID of the public key."""
        return {"rsaKeyPair": self.public_key_id}


class Profile(SpecStruct, frozen=True):
    """A profile of a configuration file in a Secret.

    A profile that names a token file uses a token of the ServiceAccount instead.
    """

    secret_ref: SecretReference
    service_account_ref: ServiceAccountReference | None = None
    key: Text | None = None
    format: ProfileFormat = ProfileFormat.CLI_CONFIG
    name: Text | None = None

    @property
    def file(self) -> str:
        """The key of the Secret that holds the file."""
        return self.key or _FILES[self.format]

    def key_identity(self) -> KeyIdentity:
        """The Secret and key of the file, and the name of the profile."""
        return {"profile": [self.secret_ref.name, self.key, self.name]}


class DefaultChain(Marker, frozen=True):
    """The default credential chain of the operator itself."""

    def key_identity(self) -> KeyIdentity:
        """Only the choice itself."""
        return {"defaultChain": {}}


class AlibabaHop(SpecStruct, frozen=True):
    """One role of a chain, assumed with the credentials of the previous hop."""

    role_arn: Text
    role_session_name: Text | None = None
    role_session_expiration: str | None = None
    policy: Policy | None = None
    external_id: Text | None = None

    def key_identity(self) -> KeyIdentity:
        """The role and its session restrictions."""
        return _role(self.role_arn, policy=self.policy)


AlibabaIdentity: TypeAlias = (
    AlibabaAccessKey
    | AlibabaSts
    | RamRoleArn
    | EcsRamRole
    | OidcRoleArn
    | CredentialsUri
    | AlibabaBearer
    | RsaKeyPair
    | Profile
    | DefaultChain
)


def _role(role_arn: str, *, policy: Policy | None) -> KeyIdentity:
    identity: KeyIdentity = {"roleArn": role_arn}
    if policy is not None:
        identity["policy"] = policy
    return identity


class AlibabaSource(SpecStruct, frozen=True):
    """An identity in Alibaba Cloud, and the role chain that starts from it."""

    region_id: Region
    sts_endpoint: Text | None = None
    connect_timeout: str | None = None
    read_timeout: str | None = None
    access_key: AlibabaAccessKey | None = None
    sts: AlibabaSts | None = None
    ram_role_arn: RamRoleArn | None = None
    ecs_ram_role: EcsRamRole | None = None
    oidc_role_arn: OidcRoleArn | None = None
    credentials_uri: CredentialsUri | None = None
    bearer: AlibabaBearer | None = None
    rsa_key_pair: RsaKeyPair | None = None
    profile: Profile | None = None
    default_chain: DefaultChain | None = None
    assume_roles: tuple[AlibabaHop, ...] = ()

    @classmethod
    def identity_fields(cls) -> tuple[str, ...]:
        """The names of the identity fields, exactly one of which is set."""
        return tuple(_IDENTITIES.values())

    def identities(self) -> tuple[AlibabaIdentity, ...]:
        """The identities that are set; parsing ensures that there is exactly one."""
        every = (getattr(self, name) for name in _IDENTITIES)
        return tuple(identity for identity in every if identity is not None)

    @property
    def identity(self) -> AlibabaIdentity:
        """The identity."""
        return self.identities()[0]

    @property
    def session_policy(self) -> tuple[str, Policy | None]:
        """The field of the last session's policy, and the policy if it is set."""
        if self.assume_roles:
            return f"assumeRoles[{len(self.assume_roles) - 1}].policy", self.assume_roles[-1].policy
        identity = self.identity
        if isinstance(identity, RamRoleArn):
            return "ramRoleArn.policy", identity.policy
        if isinstance(identity, OidcRoleArn):
            return "oidcRoleArn.policy", identity.policy
        return "", None

    @property
    def session_asks(self) -> frozenset[str]:
        """The session options that a grant may set; for a profile, the file decides."""
        if self.assume_roles or isinstance(self.identity, RamRoleArn | OidcRoleArn | Profile):
            return frozenset({"duration", "policy"})
        return frozenset({"duration"}) if isinstance(self.identity, RsaKeyPair) else frozenset()

    @property
    def secret_keys(self) -> Mapping[str, frozenset[str]]:
        """The Secrets in the source's namespace that it reads, each with the required keys."""
        match self.identity:
            case AlibabaAccessKey(secret_ref=reference) | RamRoleArn(secret_ref=reference):
                return {reference.name: frozenset({ALIBABA_ID, ALIBABA_SECRET})}
            case AlibabaSts(secret_ref=reference):
                return {reference.name: frozenset({ALIBABA_ID, ALIBABA_SECRET, ALIBABA_TOKEN})}
            case AlibabaBearer(secret_ref=reference):
                return {reference.name: frozenset({ALIBABA_BEARER})}
            case Profile(secret_ref=reference) as profile:
                return {reference.name: frozenset({profile.file})}
            case RsaKeyPair(private_key_secret_ref=key):
                return {key.name: frozenset({key.key})}
            case _:
                return {}

    @property
    def credentials_end(self) -> bool:
        """Whether the credentials always expire: a session does, at a time set by the cloud."""
        return bool(self.assume_roles) or isinstance(
            self.identity, RamRoleArn | OidcRoleArn | EcsRamRole | CredentialsUri | RsaKeyPair
        )

    def key_identity(self) -> KeyIdentity:
        """The facts that identify a key of this source, without endpoints and durations."""
        state = self.identity.key_identity()
        if self.assume_roles:
            state["assumeRoles"] = [hop.key_identity() for hop in self.assume_roles]
        return state


_IDENTITIES: Final = fields_of(AlibabaSource, AlibabaIdentity)
