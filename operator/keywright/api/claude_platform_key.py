"""The keys of Claude Platform on AWS."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, TypeAlias

import msgspec
from typing_extensions import override

from keywright.api.errors import FieldError
from keywright.api.formats import CLAUDE_PLATFORM_FORMATS, Format, Variable
from keywright.api.key_spec import ProbeMode
from keywright.api.partitions import AWS, partition_of
from keywright.api.presigned_key import PRESIGNED_VARIABLES, PresignedKey
from keywright.api.schema import KeyIdentity
from keywright.api.source import SourceTraits

WorkspaceId: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=128, pattern=r"^wrkspc_[A-Za-z0-9]+\Z")
]
"""The tagged ID of a workspace, which becomes part of a header."""

CLAUDE_PLATFORM_ENVIRONMENT: Final[Mapping[str, Variable]] = {
    "ANTHROPIC_AWS_API_KEY": Variable.API_KEY,
    "ANTHROPIC_AWS_WORKSPACE_ID": Variable.WORKSPACE_ID,
    "AWS_REGION": Variable.REGION,
}


def claude_platform_url(region: str) -> str:
    """The base URL: Claude Platform on AWS User Guide, "Authentication"."""
    return f"https://aws-external-anthropic.{region}.api.aws"


class ClaudePlatformShortTermKey(PresignedKey, frozen=True, kw_only=True):
    """An API key of Claude Platform on AWS that is signed locally and expires within 12 hours."""

    kind: ClassVar = "claudePlatformShortTermKey"
    formats: ClassVar = CLAUDE_PLATFORM_FORMATS
    default_formats: ClassVar = (Format.CLAUDE_PLATFORM_ENV,)
    variables: ClassVar = PRESIGNED_VARIABLES | {
        Variable.WORKSPACE_ID,
        Variable.CLAUDE_PLATFORM_URL,
    }
    environment: ClassVar = CLAUDE_PLATFORM_ENVIRONMENT
    probe_modes: ClassVar = frozenset({ProbeMode.SERVICE})

    workspace_id: WorkspaceId

    @override
    def region_errors(self, region: str) -> Iterator[FieldError]:
        """The service is in the public Regions of AWS alone."""
        partition = partition_of(region)
        if partition is not AWS:
            yield FieldError(
                f"spec.{self.kind}.region",
                f"Claude Platform on AWS is not in partition {partition.id} (Region {region}): set"
                " the Region of the workspace",
            )

    @override
    def key_identity(self) -> KeyIdentity:
        """With the workspace: another one is probed with a new key, before it is published."""
        return super().key_identity() | {"workspaceId": self.workspace_id}

    @override
    def own_values(self, region: str, traits: SourceTraits) -> Mapping[Variable, str]:
        """The workspace, and the base URL of the Region."""
        del traits
        return {
            Variable.WORKSPACE_ID: self.workspace_id,
            Variable.CLAUDE_PLATFORM_URL: claude_platform_url(region),
        }
