"""ApiKeyGrant: what to mint, and the Secret to keep it in."""

from datetime import datetime
from enum import StrEnum

import msgspec

from keywright.api.durations import parse_duration
from keywright.api.identity import GrantIdentity
from keywright.api.keys import (
    ApiGatewayKey,
    BearerToken,
    BedrockLongTermKey,
    BedrockShortTermKey,
    Key,
    KeyKind,
    ManagedKeyPolicy,
    SessionCredentials,
)
from keywright.api.schema import (
    KeyIdentity,
    LabelSelector,
    NamespaceName,
    ObjectName,
    SecretKeyReference,
    SpecStruct,
)
from keywright.api.secret_spec import Format, SecretSpec, default_formats
from keywright.api.source import CredentialSource, Provider
from keywright.api.times import EPOCH, parse_time
from keywright.api.windows import Window


class SourceReference(SpecStruct, frozen=True):
    """A CredentialSource; without a namespace, of the grant's own."""

    name: ObjectName
    namespace: NamespaceName | None = None


class Renewal(SpecStruct, frozen=True):
    """When a key is renewed.

    `before` is a percentage of the real lifetime or a duration; None means a third.
    """

    before: str | None = None
    windows: tuple[Window, ...] = ()


class ProbeMode(StrEnum):
    """How a new credential is tried before it is published."""

    NONE = "None"
    IDENTITY = "Identity"
    BEDROCK = "Bedrock"
    HTTP = "Http"


class Probe(SpecStruct, frozen=True):
    """The trial of a new credential."""

    mode: ProbeMode = ProbeMode.NONE
    model_id: str | None = None
    url: str | None = None
    timeout: str = "60s"

    @property
    def timeout_seconds(self) -> float:
        """How long the trial may take."""
        return parse_duration(self.timeout)


class WorkloadKind(StrEnum):
    """Workloads that can be restarted; a Rollout is that of Argo Rollouts."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    ROLLOUT = "Rollout"


class Workload(SpecStruct, frozen=True):
    """Workloads of the grant's namespace: one by name, or those that a selector finds."""

    kind: WorkloadKind
    name: ObjectName | None = None
    selector: LabelSelector | None = None


class Rollout(SpecStruct, frozen=True):
    """What to restart once the data of the Secret has changed, and how many at a time."""

    restart: tuple[Workload, ...] = ()
    batch_size: int = 5
    min_interval: str | None = None


class DeletionPolicy(StrEnum):
    """What becomes of what was made in the cloud when the grant is deleted."""

    REVOKE = "Revoke"
    RETAIN = "Retain"


class GrantSpec(SpecStruct, frozen=True):
    """The spec of an ApiKeyGrant."""

    source_ref: SourceReference
    bedrock_short_term_key: BedrockShortTermKey | None = None
    bedrock_long_term_key: BedrockLongTermKey | None = None
    session_credentials: SessionCredentials | None = None
    api_gateway_key: ApiGatewayKey | None = None
    bearer_token: BearerToken | None = None
    secret: SecretSpec = SecretSpec()
    renewal: Renewal = Renewal()
    probe: Probe = Probe()
    rollout: Rollout = Rollout()
    deletion_policy: DeletionPolicy = DeletionPolicy.REVOKE
    suspend: bool = False

    def set_kinds(self) -> tuple[KeyKind, ...]:
        """What is set of the kinds; parsing lets exactly one through."""
        return tuple(kind for kind, key in self._key_fields() if key is not None)

    def _key_fields(self) -> tuple[tuple[KeyKind, Key | None], ...]:
        return (
            (KeyKind.BEDROCK_SHORT_TERM_KEY, self.bedrock_short_term_key),
            (KeyKind.BEDROCK_LONG_TERM_KEY, self.bedrock_long_term_key),
            (KeyKind.SESSION_CREDENTIALS, self.session_credentials),
            (KeyKind.API_GATEWAY_KEY, self.api_gateway_key),
            (KeyKind.BEARER_TOKEN, self.bearer_token),
        )

    @property
    def key(self) -> Key:
        """The one key that is asked for."""
        return next(key for _, key in self._key_fields() if key is not None)


class ApiKeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """An ApiKeyGrant as read: what of its metadata matters, and its spec.

    `renew_requested_at`, `reconcile_requested_at` and `take_over` are the annotations' values as
    they stand. `identity` is added by the controller.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: datetime
    deleting: bool
    finalizers: tuple[str, ...]
    renew_requested_at: str | None
    reconcile_requested_at: str | None
    kind: KeyKind
    spec: GrantSpec
    take_over: str | None = None
    identity: GrantIdentity | None = None

    @property
    def known_as(self) -> GrantIdentity:
        """The identity in the clouds; by the uid where nothing more is known."""
        return self.identity or GrantIdentity(grant_id=self.uid)

    @property
    def object_key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def key(self) -> Key:
        """The part of the spec that says what key is asked for."""
        return self.spec.key

    @property
    def secret_name(self) -> str:
        """The Secret's name; the grant's own unless the spec has another."""
        return self.spec.secret.name or self.name

    @property
    def source_key(self) -> tuple[str, str]:
        """Namespace and name of the source."""
        reference = self.spec.source_ref
        return reference.namespace or self.namespace, reference.name

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats of the spec, or the kind's default with an AWS source."""
        return self.formats_for(Provider.AWS)

    def formats_for(self, provider: Provider) -> tuple[Format, ...]:
        """The formats of the spec, or the default of the kind with such a source."""
        explicit = self.spec.secret.formats
        return default_formats(self.kind, provider=provider) if explicit is None else explicit

    def with_formats_for(self, provider: Provider) -> "ApiKeyGrant":
        """The grant with the formats written down that it has by default with such a source."""
        if self.spec.secret.formats is not None or provider is Provider.AWS:
            return self
        secret = msgspec.structs.replace(
            self.spec.secret, formats=default_formats(self.kind, provider=provider)
        )
        return msgspec.structs.replace(self, spec=msgspec.structs.replace(self.spec, secret=secret))

    @property
    def renewal_request(self) -> str | None:
        """The newest request for a renewal; a value not seen before asks for one.

        Both annotations count. One that is no time counts as the older.
        """
        requested = [
            text for text in (self.renew_requested_at, self.reconcile_requested_at) if text
        ]
        return max(requested, key=_moment) if requested else None

    @property
    def ends(self) -> bool:
        """Whether the key ends by itself, so that it has an expiry to write down."""
        match self.key:
            case BedrockLongTermKey(expires_after_days=None) | ApiGatewayKey():
                return False
            case _:
                return True

    @property
    def managed(self) -> ManagedKeyPolicy | None:
        """How the key is kept in the cloud; None for one that is free to be minted again."""
        key = self.key
        return key.managed if isinstance(key, BedrockLongTermKey | ApiGatewayKey) else None

    @property
    def imports(self) -> tuple[str, SecretKeyReference] | None:
        """The field and the Secret that the key's value is read from, where it is imported."""
        key = self.key
        return key.imports if isinstance(key, ApiGatewayKey) else None

    @property
    def is_bulk_import(self) -> bool:
        """Whether the Secret holds many keys, one entry each, and no layout."""
        key = self.key
        return isinstance(key, ApiGatewayKey) and key.csv_from is not None

    def region(self, source: CredentialSource) -> str:
        """Where the key works: the key's own region, else the source's."""
        match self.key:
            case BedrockShortTermKey(region=str(region)) | BedrockLongTermKey(region=str(region)):
                return region
            case _:
                return source.region

    def key_identity(self, source: CredentialSource) -> KeyIdentity:
        """What decides what the key IS, together with `source.mint_facts()`.

        Kind, region where a key works only there, duration, user and plan; nothing of the Secret's
        layout, the renewal, the probe or the rollout, so that changing these never mints.
        """
        state: KeyIdentity = {"kind": self.kind.value} | self.key.key_identity()
        if self.kind in (KeyKind.BEDROCK_SHORT_TERM_KEY, KeyKind.API_GATEWAY_KEY):
            state["region"] = self.region(source)
        return state


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        return EPOCH
