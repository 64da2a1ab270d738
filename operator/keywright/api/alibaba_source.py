"""An identity in Alibaba Cloud, and the chain of roles that starts from it."""

from collections.abc import Mapping
from typing import Final

from keywright.api.alibaba_identities import (
    ALIBABA_BEARER,
    ALIBABA_ID,
    ALIBABA_SECRET,
    ALIBABA_TOKEN,
    AlibabaAccessKey,
    AlibabaBearer,
    AlibabaHop,
    AlibabaIdentity,
    AlibabaSts,
    CredentialsUri,
    DefaultChain,
    EcsRamRole,
    OidcRoleArn,
    Profile,
    RamRoleArn,
    RsaKeyPair,
)
from keywright.api.schema import KeyIdentity, Policy, Region, SpecStruct, fields_of


class AlibabaSource(SpecStruct, frozen=True):
    """An identity in Alibaba Cloud, and the chain of roles that starts from it."""

    region_id: Region
    sts_endpoint: str | None = None
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
        """The names of the fields that have an identity: exactly one of them is set."""
        return tuple(_IDENTITIES.values())

    def identities(self) -> tuple[AlibabaIdentity, ...]:
        """The identities that are set; parsing lets exactly one through."""
        every = (getattr(self, name) for name in _IDENTITIES)
        return tuple(identity for identity in every if identity is not None)

    @property
    def identity(self) -> AlibabaIdentity:
        """The one identity."""
        return self.identities()[0]

    @property
    def session_policy(self) -> tuple[str, Policy | None]:
        """Where the policy of the last session stands, and the policy if it is set."""
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
        """What a grant may ask of the last session; what a profile allows, its file tells."""
        if self.assume_roles or isinstance(self.identity, RamRoleArn | OidcRoleArn | Profile):
            return frozenset({"duration", "policy"})
        return frozenset({"duration"}) if isinstance(self.identity, RsaKeyPair) else frozenset()

    @property
    def secret_keys(self) -> Mapping[str, frozenset[str]]:
        """The Secret, of the source's own namespace, that it reads, and the keys that it needs."""
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
        """Whether what it hands on has an end in any case: a session's, told by the cloud."""
        return bool(self.assume_roles) or isinstance(
            self.identity, RamRoleArn | OidcRoleArn | EcsRamRole | CredentialsUri | RsaKeyPair
        )

    def key_identity(self) -> KeyIdentity:
        """What decides what a key minted here is; neither endpoints nor any duration do."""
        state = self.identity.key_identity()
        if self.assume_roles:
            state["assumeRoles"] = [hop.key_identity() for hop in self.assume_roles]
        return state


_IDENTITIES: Final = fields_of(AlibabaSource, AlibabaIdentity)
