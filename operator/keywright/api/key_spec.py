"""What each kind of key says of itself, and how a managed key is kept."""

from enum import StrEnum
from typing import ClassVar, Final

from keywright.api.schema import KeyIdentity, SecretKeyReference, SpecStruct
from keywright.api.secret_spec import Format, Variable
from keywright.api.source import Provider


class KeyKind(StrEnum):
    """The kinds of key; a value is the name of the field that asks for it."""

    BEDROCK_SHORT_TERM_KEY = "bedrockShortTermKey"
    BEDROCK_LONG_TERM_KEY = "bedrockLongTermKey"
    SESSION_CREDENTIALS = "sessionCredentials"
    API_GATEWAY_KEY = "apiGatewayKey"
    BEARER_TOKEN = "bearerToken"  # noqa: S105  # the name of a field


_ONE_VALUE: Final = frozenset({Variable.API_KEY.value})


COMMON_VARIABLES: Final = frozenset(
    {Variable.REGION, Variable.ACCOUNT_ID, Variable.NAMESPACE, Variable.NAME}
)


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
    """What each kind says of itself; the defaults are those of a key that is not managed.

    `values`: the names of the values that make up the key. `formats` and `variables`: those that
    they fill. `is_managed`: the keys stay in the cloud until they are removed. `is_regional`: the
    key works in one region, which is part of its identity.
    """

    kind: ClassVar[KeyKind]
    values: ClassVar[frozenset[str]] = _ONE_VALUE
    formats: ClassVar[frozenset[Format]]
    default_formats: ClassVar[tuple[Format, ...]]
    variables: ClassVar[frozenset[Variable]]
    is_managed: ClassVar[bool] = False
    is_regional: ClassVar[bool] = False

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

    def key_identity(self) -> KeyIdentity:
        """What decides what the key IS; without the region, which the grant adds."""
        return {}
