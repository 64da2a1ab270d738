"""The description that each kind of key provides, and the policy for managed keys."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

from keywright.api.errors import FieldError
from keywright.api.formats import Format, Variable
from keywright.api.schema import KeyIdentity, Policy, SecretKeyReference, SpecStruct
from keywright.api.source import CredentialSource, Provider, SourceTraits

_ONE_VALUE: Final = frozenset({Variable.API_KEY.value})
COMMON_VARIABLES: Final = frozenset(
    {Variable.REGION, Variable.ACCOUNT_ID, Variable.NAMESPACE, Variable.NAME}
)


class ProbeMode(StrEnum):
    """How a new credential is probed before it is published."""

    NONE = "None"
    SERVICE = "Service"
    IDENTITY = "Identity"
    BEDROCK = "Bedrock"
    HTTP = "Http"


class ManagedKeyPolicy(SpecStruct, frozen=True):
    """The policy for a managed key, which counts against a quota in the cloud until it is deleted.

    `most`: the number of keys that the cloud allows for their owner. `exclusive`: the owner belongs
    to the grant alone, so that unknown keys of it may be deleted. `marked`: the cloud shows the
    owner of a key and returns its value again, so that an open intent is resumed. `tagged`: a tag
    in the cloud, on the key or on its owner, names the grant. `holder`: the name of the owner, if
    it is not the grant itself.
    """

    most: int
    overlap_seconds: float
    rotate_seconds: float | None = None
    exclusive: bool = False
    marked: bool = False
    tagged: bool = True
    holder: str = ""


class KeySpec(SpecStruct, frozen=True):
    """The description of a kind; the defaults are those of an AWS API key that is not managed.

    `kind`: the name of the field in the spec. `values`: the names of the values that make up the
    key. `formats` and `variables`: those that the values provide. `environment`: the variables of
    the format DotEnv. `probe_modes`: the probes that support the key. `is_bearer`: a header has the
    prefix "Bearer ". `is_managed`: the keys stay in the cloud until they are deleted.
    `is_regional`: the key is valid in one region, which is part of its identity. `is_session`: the
    key is the session itself.
    """

    kind: ClassVar[str]
    values: ClassVar[frozenset[str]] = _ONE_VALUE
    formats: ClassVar[frozenset[Format]]
    default_formats: ClassVar[tuple[Format, ...]]
    variables: ClassVar[frozenset[Variable]]
    environment: ClassVar[Mapping[str, Variable]] = {}
    probe_modes: ClassVar[frozenset[ProbeMode]] = frozenset()
    is_bearer: ClassVar[bool] = True
    is_managed: ClassVar[bool] = False
    is_regional: ClassVar[bool] = False
    is_session: ClassVar[bool] = False

    def field_errors(self) -> Iterator[FieldError]:
        """Return errors of the fields that the schema cannot detect."""
        yield from ()

    @classmethod
    def required_source(cls, source: CredentialSource) -> str:
        """The required kind of source, such as "with aws"; empty if this one is suitable."""
        return "" if source.provider is Provider.AWS else "with aws"

    @classmethod
    def default_formats_for(cls, traits: SourceTraits) -> tuple[Format, ...]:
        """The default formats of a Secret if the grant specifies no formats and no data."""
        del traits
        return cls.default_formats

    @property
    def own_formats(self) -> frozenset[Format]:
        """The formats of this key, if its fields leave fewer than the kind has."""
        return self.formats

    @property
    def own_variables(self) -> frozenset[Variable]:
        """The variables of this key, if its fields leave fewer than the kind has."""
        return self.variables

    def environment_for(self, provider: Provider) -> Mapping[str, Variable]:
        """The variables of the format DotEnv for this key, with the names of a cloud's SDKs."""
        del provider
        return self.environment

    @property
    def otlp_headers(self) -> Mapping[str, str]:
        """The headers beside the key that an OTLP exporter sends; none is secret."""
        return {}

    @property
    def setup_notes(self) -> tuple[str, ...]:
        """What must be set up in the cloud and no policy expresses, for `keywright explain`."""
        return ()

    def probe_errors(self, mode: ProbeMode) -> Iterator[FieldError]:
        """Return why the probe cannot try this key, although it can try others of the kind."""
        del mode
        yield from ()

    @property
    def expires(self) -> bool:
        """Whether the key has an expiry."""
        return True

    @property
    def managed(self) -> ManagedKeyPolicy | None:
        """The policy for a managed key; None for a key that can be reissued freely."""
        return None

    @property
    def imports(self) -> tuple[str, SecretKeyReference] | None:
        """The field and the Secret of an imported value; None for a generated one."""
        return None

    @property
    def is_bulk_import(self) -> bool:
        """Whether the Secret holds many keys, one entry each, without a layout."""
        return False

    @property
    def own_region(self) -> str | None:
        """The region field of the key; None for the region of the source."""
        return None

    def region_errors(self, region: str) -> Iterator[FieldError]:
        """Return why there is no such key in the Region; nothing for most kinds."""
        del region
        yield from ()

    def source_errors(
        self, traits: SourceTraits, *, formats: tuple[Format, ...], probe: tuple[ProbeMode, bool]
    ) -> Iterator[FieldError]:
        """Return errors of the layout and the probe for a source; nothing for most kinds.

        `probe` is its mode, and whether it names a model.
        """
        del traits, formats, probe
        yield from ()

    def own_values(self, region: str, traits: SourceTraits) -> Mapping[Variable, str]:
        """The values of variables that follow from the kind, its fields and its source.

        None is secret.
        """
        del region, traits
        return {}

    def registries(self, region: str, account_id: str | None) -> tuple[str, ...]:
        """The hosts of the container registries that the key logs in to; empty for most kinds."""
        del region, account_id
        return ()

    @property
    def session_policies(self) -> tuple[str, ...]:
        """The fields that limit the session of the key; empty if any session will do."""
        return ()

    @property
    def session_options(self) -> tuple[str, ...]:
        """The fields that the session of the key needs: policies, and others such as a duration."""
        return self.session_policies

    @property
    def session_policy(self) -> Policy | None:
        """The policy that is sent to STS as the user wrote it."""
        return None

    @property
    def needs_session(self) -> bool:
        """Whether the source must have a session of its own for the key."""
        return self.is_session or bool(self.session_policies)

    @property
    def is_scoped(self) -> bool:
        """Whether the session of the source is limited as it is, without assuming a role again."""
        return False

    @property
    def service_title(self) -> str:
        """The name of the service that accepts the key, for keys of an IAM user."""
        return ""

    @property
    def owner_description(self) -> str:
        """What owns a managed key in the cloud, such as an IAM user, in a few words."""
        return ""

    @property
    def permissions_boundary(self) -> str | None:
        """The ARN of the permissions boundary of the owner; None for none."""
        return None

    @property
    def revocation_spec(self) -> Mapping[str, Any]:
        """The smallest spec of this kind that allows a managed key to be found and revoked."""
        return {}

    @classmethod
    def spec_to_revoke(cls, key_ids: Iterator[str], found: object) -> Mapping[str, Any] | None:
        """The spec with which the managed keys with these IDs are revoked; None if it is unknown.

        `found` is what the spec of the grant says of the kind, and may be missing or invalid.
        """
        del cls, key_ids, found
        return None

    def key_identity(self) -> KeyIdentity:
        """The facts that identify the key, without the region, which the grant adds."""
        return {}
