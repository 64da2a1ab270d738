"""The ways to be someone in Alibaba Cloud; names as in the Alibaba Cloud Credentials tool."""

from enum import StrEnum
from typing import TypeAlias

from keywright.api.schema import (
    KeyIdentity,
    Marker,
    Policy,
    SecretKeyReference,
    SecretReference,
    ServiceAccountReference,
    SpecStruct,
)

ALIBABA_AUDIENCE = "sts.aliyuncs.com"
# What the Secrets of keys and tokens hold.
ALIBABA_ID, ALIBABA_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
ALIBABA_TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105  the name of a key
ALIBABA_BEARER = "ALIBABA_CLOUD_BEARER_TOKEN"


class ProfileFormat(StrEnum):
    """How a file of profiles is written."""

    CLI_CONFIG = "CliConfig"
    CREDENTIALS_FILE = "CredentialsFile"


_FILES = {ProfileFormat.CLI_CONFIG: "config.json", ProfileFormat.CREDENTIALS_FILE: "credentials"}


def audience_of(reference: ServiceAccountReference) -> str:
    """Whom the ServiceAccount's token is meant for."""
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
    """A role, assumed with a static access key."""

    secret_ref: SecretReference
    role_arn: str
    role_session_name: str | None = None
    role_session_expiration: str | None = None
    policy: Policy | None = None
    external_id: str | None = None

    def key_identity(self) -> KeyIdentity:
        """The role and what limits it."""
        return {"ramRoleArn": _role(self.role_arn, policy=self.policy)}


class EcsRamRole(SpecStruct, frozen=True):
    """The role of the node, from its metadata service."""

    role_name: str | None = None
    disable_imds_v1: bool = True

    def key_identity(self) -> KeyIdentity:
        """The role's name; absent, the node has one."""
        return {"ecsRamRole": self.role_name}


class OidcRoleArn(SpecStruct, frozen=True):
    """AssumeRoleWithOIDC with a token of a ServiceAccount of the same namespace.

    Without `role_arn` the role is the one of the ServiceAccount's annotation
    `pod-identity.alibabacloud.com/role-name`, in the account of the provider.
    """

    service_account_ref: ServiceAccountReference
    oidc_provider_arn: str
    role_arn: str | None = None
    role_session_name: str | None = None
    role_session_expiration: str | None = None
    policy: Policy | None = None

    def key_identity(self) -> KeyIdentity:
        """The role and what limits it; the ServiceAccount only where it names the role."""
        if self.role_arn is not None:
            return {"oidcRoleArn": _role(self.role_arn, policy=self.policy)}
        who: KeyIdentity = {"serviceAccount": self.service_account_ref.name}
        return {"oidcRoleArn": who | ({} if self.policy is None else {"policy": self.policy})}


class CredentialsUri(SpecStruct, frozen=True):
    """A URI that answers with credentials; the operator has a list of those it allows."""

    uri: str

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
    """A session made with an RSA key pair."""

    public_key_id: str
    private_key_secret_ref: SecretKeyReference
    session_expiration: str | None = None

    def key_identity(self) -> KeyIdentity:
        """The public key's id."""
        return {"rsaKeyPair": self.public_key_id}


class Profile(SpecStruct, frozen=True):
    """A profile of a configuration file in a Secret.

    A profile that names a token file gets a token of the ServiceAccount instead.
    """

    secret_ref: SecretReference
    service_account_ref: ServiceAccountReference | None = None
    key: str | None = None
    format: ProfileFormat = ProfileFormat.CLI_CONFIG
    name: str | None = None

    @property
    def file(self) -> str:
        """The key of the Secret that holds the file."""
        return self.key or _FILES[self.format]

    def key_identity(self) -> KeyIdentity:
        """Where the profile stands, and its name."""
        return {"profile": [self.secret_ref.name, self.key, self.name]}


class DefaultChain(Marker, frozen=True):
    """The operator's own environment."""

    def key_identity(self) -> KeyIdentity:
        """Nothing but the choice."""
        return {"defaultChain": {}}


class AlibabaHop(SpecStruct, frozen=True):
    """One role of a chain, assumed with the credentials of the hop before."""

    role_arn: str
    role_session_name: str | None = None
    role_session_expiration: str | None = None
    policy: Policy | None = None
    external_id: str | None = None

    def key_identity(self) -> KeyIdentity:
        """The role and what limits it."""
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
