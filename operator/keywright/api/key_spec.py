"""What each kind of key says of itself, and how a managed key is kept."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

from keywright.api.errors import FieldError
from keywright.api.formats import Format, Variable
from keywright.api.schema import KeyIdentity, SecretKeyReference, SpecStruct
from keywright.api.source import CredentialSource, Provider

_ONE_VALUE: Final = frozenset({Variable.API_KEY.value})
COMMON_VARIABLES: Final = frozenset(
    {Variable.REGION, Variable.ACCOUNT_ID, Variable.NAMESPACE, Variable.NAME}
)


class ProbeMode(StrEnum):
    """How a new credential is tried before it is published."""

    NONE = "None"
    IDENTITY = "Identity"
    BEDROCK = "Bedrock"
    HTTP = "Http"


class ManagedKeyPolicy(SpecStruct, frozen=True):
    """How a managed key is kept: it takes a place in the cloud until it is removed.

    `most`: the number of keys that the cloud allows their holder. `exclusive`: the holder is the
    grant's alone, so that its unknown keys may be removed. `marked`: the cloud shows the owner of a
    key and returns its value again, so that an open intent is resumed. `tagged`: a tag in the
    cloud, on the key or on its holder, names the owner. `holder`: the name of the holder, if it is
    not the grant itself.
    """

    most: int
    overlap_seconds: float
    rotate_seconds: float | None = None
    exclusive: bool = False
    marked: bool = False
    tagged: bool = True
    holder: str = ""


class KeySpec(SpecStruct, frozen=True):
    """What each kind says of itself; the defaults are those of an API key of AWS, not managed.

    `kind`: the name of the field in the spec. `values`: the names of the values that make up the
    key. `formats` and `variables`: those that they fill. `environment`: the variables of the format
    DotEnv. `probe_modes`: the probes that can try the key. `is_bearer`: a header has the prefix
    "Bearer ". `is_managed`: the keys stay in the cloud until they are removed. `is_regional`: the
    key works in one region, which is part of its identity.
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

    def field_errors(self) -> Iterator[FieldError]:
        """What is wrong with the fields, beyond what the schema refuses."""
        yield from ()

    @classmethod
    def required_source(cls, source: CredentialSource) -> str:
        """Which source the key needs instead, such as "with aws"; empty if this one fits."""
        return "" if source.provider is Provider.AWS else "with aws"

    @classmethod
    def default_formats_for(cls, provider: Provider) -> tuple[Format, ...]:
        """The formats of a Secret whose grant names neither formats nor data."""
        del provider
        return cls.default_formats

    @property
    def expires(self) -> bool:
        """Whether the key ends by itself, so that it has an expiry to record."""
        return True

    @property
    def managed(self) -> ManagedKeyPolicy | None:
        """How the key is kept in the cloud; None for one that can be issued again freely."""
        return None

    @property
    def imports(self) -> tuple[str, SecretKeyReference] | None:
        """The field and the Secret that the value of the key is imported from."""
        return None

    @property
    def is_bulk_import(self) -> bool:
        """Whether the Secret holds many keys, one entry each, and no layout."""
        return False

    @property
    def own_region(self) -> str | None:
        """The region that the key names; None for that of the source."""
        return None

    @property
    def owner_description(self) -> str:
        """What owns a managed key in the cloud, such as an IAM user, in a few words."""
        return ""

    @property
    def revocation_spec(self) -> Mapping[str, Any]:
        """The smallest spec of this kind by which a managed key can be found and revoked."""
        return {}

    def key_identity(self) -> KeyIdentity:
        """What decides what the key IS; without the region, which the grant adds."""
        return {}
