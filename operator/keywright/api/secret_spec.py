"""`spec.secret`: the Secret in which a grant stores its key."""

from collections.abc import Mapping
from enum import StrEnum

from keywright.api.formats import Format
from keywright.api.schema import SpecStruct


class FormerSecretPolicy(StrEnum):
    """What happens to the previous Secret when `spec.secret.name` changes."""

    CLEAR = "Clear"
    RETAIN = "Retain"


class SecretSpec(SpecStruct, frozen=True):
    """The Secret in which a grant stores its key.

    Without `formats`, the default of the kind applies; an empty list means that only `data` is
    written.
    """

    name: str | None = None
    type: str = "Opaque"
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    formats: tuple[Format, ...] | None = None
    mount_path: str = "/var/run/keywright"
    data: Mapping[str, str] = {}
    adopt: bool = False
    allow_mixed: bool = False
    former_secret_policy: FormerSecretPolicy = FormerSecretPolicy.CLEAR
