"""CredentialSource: who we are in the cloud."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from keywright.api.alibaba_source import AlibabaIdentity, AlibabaSource
from keywright.api.aws_source import AwsIdentity, AwsSource
from keywright.api.schema import KeyIdentity, LabelSelector, SpecStruct


class Provider(StrEnum):
    """The clouds; the values are what the column `Provider` shows."""

    AWS = "AWS"
    ALIBABA_CLOUD = "AlibabaCloud"


class AllowedNamespaces(SpecStruct, frozen=True):
    """Which other namespaces may use a source."""

    names: tuple[str, ...] = ()
    selector: LabelSelector | None = None


class SourceSpec(SpecStruct, frozen=True):
    """The spec of a CredentialSource."""

    aws: AwsSource | None = None
    alibaba_cloud: AlibabaSource | None = None
    allowed_namespaces: AllowedNamespaces | None = None

    @property
    def provider(self) -> Provider:
        """The one cloud that is set."""
        return Provider.AWS if self.aws is not None else Provider.ALIBABA_CLOUD


class CredentialSource(msgspec.Struct, frozen=True, kw_only=True):
    """A CredentialSource as read: what of its metadata matters, and its spec."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    spec: SourceSpec

    @property
    def object_key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def provider(self) -> Provider:
        """The cloud that it is for."""
        return self.spec.provider

    @property
    def cloud(self) -> AwsSource | AlibabaSource:
        """The part of the spec that is for its cloud."""
        cloud = self.spec.aws or self.spec.alibaba_cloud
        assert cloud is not None
        return cloud

    @property
    def identity(self) -> AwsIdentity | AlibabaIdentity:
        """The one identity."""
        return self.cloud.identity

    @property
    def region(self) -> str:
        """Where STS is asked; grants default to it."""
        aws = self.spec.aws
        if aws is not None:
            return aws.region
        assert self.spec.alibaba_cloud is not None
        return self.spec.alibaba_cloud.region_id

    @property
    def endpoint_field(self) -> str:
        """The field by which it names a host of STS; empty where the cloud's own is asked."""
        aws, alibaba = self.spec.aws, self.spec.alibaba_cloud
        if aws is not None:
            return "spec.aws.stsEndpoint" if aws.sts_endpoint else ""
        named = alibaba is not None and alibaba.sts_endpoint
        return "spec.alibabaCloud.stsEndpoint" if named else ""

    @property
    def host_field(self) -> str:
        """The field that decides which host of STS is asked."""
        region = "spec.aws.region" if self.spec.aws is not None else "spec.alibabaCloud.regionId"
        return self.endpoint_field or region

    @property
    def secret_keys(self) -> Mapping[str, frozenset[str]]:
        """The Secrets, of its own namespace, that it reads, and the keys that it needs of each."""
        return self.cloud.secret_keys

    @property
    def secret_names(self) -> frozenset[str]:
        """The Secrets, of its own namespace, that it reads."""
        return frozenset(self.cloud.secret_keys)

    def uses_as_access_key(self, secret: str) -> bool:
        """Whether that Secret holds the key that everything else is made with."""
        aws = self.spec.aws
        if aws is None:
            return secret in self.cloud.secret_keys
        return aws.access_key is not None and aws.access_key.secret_ref.name == secret

    @property
    def credentials_end(self) -> bool:
        """Whether the credentials that it hands on have an end in any case."""
        return self.spec.alibaba_cloud is None or self.spec.alibaba_cloud.credentials_end

    def key_identity(self) -> KeyIdentity:
        """What decides what a key minted from this source IS.

        It says nothing of names, uids, endpoints, session names and durations, so that a rename, a
        restore from a backup or a longer session never cost a new key. The region is the grant's
        business, see `ApiKeyGrant.mint_facts`.
        """
        return {self.provider.value: self.cloud.key_identity()}

    @property
    def selects_namespaces(self) -> bool:
        """Whether it allows other namespaces by their labels."""
        allowed = self.spec.allowed_namespaces
        return allowed is not None and allowed.selector is not None

    def allows(self, namespace: str, *, labels: Mapping[str, str]) -> bool:
        """Whether a grant in this namespace, which has these labels, may use the source."""
        if namespace == self.namespace:
            return True
        allowed = self.spec.allowed_namespaces
        if allowed is None:
            return False
        if allowed.selector is not None:
            return allowed.selector.matches(labels)
        return namespace in allowed.names
