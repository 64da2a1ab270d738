"""`spec.secret`: the Secret that a grant keeps its key in."""

from collections.abc import Mapping
from enum import StrEnum

from keywright.api.formats import Format
from keywright.api.schema import SpecStruct


class FormerSecretPolicy(StrEnum):
    """What becomes of the Secret of the former name when `spec.secret.name` changes."""

    CLEAR = "Clear"
    RETAIN = "Retain"


class SecretSpec(SpecStruct, frozen=True):
    """The Secret that a grant keeps its key in.

    `formats` absent means the default of the kind; an empty list means that `data` alone counts.
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
