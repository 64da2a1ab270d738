"""CredentialSource: the identity in the cloud, and which namespaces may use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

from keywright.api.alibaba_source import AlibabaIdentity, AlibabaSource
from keywright.api.aws_source import AwsIdentity, AwsSource
from keywright.api.schema import (
    KeyIdentity,
    LabelSelector,
    Listed,
    NamespaceName,
    SpecStruct,
)
from keywright.api.token_exchange_source import (
    GenericExchange,
    TokenExchangeSource,
    TokenService,
)


class Provider(StrEnum):
    """The clouds, and the exchange of tokens with any vendor; shown in the column `Provider`."""

    AWS = "AWS"
    ALIBABA_CLOUD = "AlibabaCloud"
    TOKEN_EXCHANGE = "TokenExchange"  # noqa: S105  a name


@dataclass(frozen=True, slots=True)
class SourceTraits:
    """What the layout of a Secret depends on: the cloud of the source, and its service.

    `service` is the field of the vendor that issues the tokens of the source, such as "openai";
    empty for a cloud.
    """

    provider: Provider = Provider.AWS
    service: str = ""


AWS_TRAITS: Final = SourceTraits()


class AllowedNamespaces(SpecStruct, frozen=True):
    """The other namespaces that may use a source."""

    names: Listed[NamespaceName] = ()
    selector: LabelSelector | None = None


class SourceSpec(SpecStruct, frozen=True):
    """The spec of a CredentialSource."""

    aws: AwsSource | None = None
    alibaba_cloud: AlibabaSource | None = None
    token_exchange: TokenExchangeSource | None = None
    allowed_namespaces: AllowedNamespaces | None = None

    @property
    def provider(self) -> Provider:
        """The cloud whose field is set."""
        if self.aws is not None:
            return Provider.AWS
        alibaba = self.alibaba_cloud is not None
        return Provider.ALIBABA_CLOUD if alibaba else Provider.TOKEN_EXCHANGE

    @property
    def cloud(self) -> AwsSource | AlibabaSource | TokenExchangeSource:
        """The field that is set; parsing ensures that there is exactly one."""
        cloud = self.aws or self.alibaba_cloud or self.token_exchange
        assert cloud is not None
        return cloud


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialSource:
    """A CredentialSource as parsed: the relevant metadata, the spec, and what follows from it.

    `provider` is its cloud, `cloud` the part of the spec for that cloud, and `region` the one whose
    STS is called; it is the default of grants, and empty for a token exchange.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    spec: SourceSpec

    object_key: tuple[str, str] = field(init=False)
    provider: Provider = field(init=False)
    traits: SourceTraits = field(init=False)
    cloud: AwsSource | AlibabaSource | TokenExchangeSource = field(init=False)
    region: str = field(init=False)

    def __post_init__(self) -> None:
        derive = partial(object.__setattr__, self)
        cloud, exchange = self.spec.cloud, self.spec.token_exchange
        service = "" if exchange is None else exchange.service
        derive("object_key", (self.namespace, self.name))
        derive("provider", self.spec.provider)
        derive("traits", SourceTraits(self.spec.provider, service))
        derive("cloud", cloud)
        match cloud:
            case AwsSource(region=region) | AlibabaSource(region_id=region):
                derive("region", region)
            case TokenExchangeSource():
                derive("region", "")

    @property
    def identity(self) -> AwsIdentity | AlibabaIdentity | TokenService:
        """The identity."""
        return self.cloud.identity

    @property
    def endpoint_field(self) -> str:
        """The field that sets the host which is called; empty for the vendor's own."""
        match self.cloud:
            case AwsSource(sts_endpoint=host):
                return "spec.aws.stsEndpoint" if host else ""
            case AlibabaSource(sts_endpoint=host):
                return "spec.alibabaCloud.stsEndpoint" if host else ""
            case TokenExchangeSource(generic=GenericExchange()):
                return "spec.tokenExchange.generic.endpoint"
            case TokenExchangeSource():
                return ""

    @property
    def host_field(self) -> str:
        """The field that determines which host is called."""
        match self.cloud:
            case AwsSource():
                return self.endpoint_field or "spec.aws.region"
            case AlibabaSource():
                return self.endpoint_field or "spec.alibabaCloud.regionId"
            case TokenExchangeSource(service=service):
                return self.endpoint_field or f"spec.tokenExchange.{service}"

    @property
    def secret_keys(self) -> Mapping[str, frozenset[str]]:
        """The Secrets in its namespace that the source reads, each with the keys it needs."""
        return self.cloud.secret_keys

    @property
    def secret_names(self) -> frozenset[str]:
        """The names of the Secrets in its namespace that the source reads."""
        return frozenset(self.cloud.secret_keys)

    def uses_as_access_key(self, secret: str) -> bool:
        """Whether the Secret holds the access key of the identity."""
        aws = self.spec.aws
        if aws is None:
            return secret in self.cloud.secret_keys
        return aws.access_key is not None and aws.access_key.secret_ref.name == secret

    @property
    def credentials_end(self) -> bool:
        """Whether the credentials of the source always expire."""
        return self.spec.alibaba_cloud is None or self.spec.alibaba_cloud.credentials_end

    def key_identity(self) -> KeyIdentity:
        """The facts that identify a key issued from this source.

        Names, uids, endpoints, session names and durations are not part of them, so that a rename,
        a restore from a backup or a longer session does not issue a new key. The region belongs to
        the grant, see `ApiKeyGrant.key_identity`.
        """
        return {self.provider.value: self.cloud.key_identity()}

    @property
    def selects_namespaces(self) -> bool:
        """Whether the source allows other namespaces by their labels."""
        allowed = self.spec.allowed_namespaces
        return allowed is not None and allowed.selector is not None

    def allows(self, namespace: str, *, labels: Mapping[str, str]) -> bool:
        """Whether a grant in a namespace with these labels may use the source."""
        if namespace == self.namespace:
            return True
        allowed = self.spec.allowed_namespaces
        if allowed is None:
            return False
        if allowed.selector is not None:
            return allowed.selector.matches(labels)
        return namespace in allowed.names
