"""The keys of Alibaba Cloud Model Studio (Bailian, DashScope): long-lived ones and temporary ones.

Fields and limits: API ModelStudio 2026-02-10 (alibabacloud_modelstudio20260210 2.2.3), and the
pages "Get an API key", "Generate a temporary API key" and "Base URL overview" of Model Studio.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import msgspec
from typing_extensions import override

from keywright.api import checks
from keywright.api.alibaba_source import AlibabaBearer
from keywright.api.checks import HOUR, MINUTE
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.formats import MODEL_STUDIO_FORMATS, Format, Variable
from keywright.api.key_spec import COMMON_VARIABLES, KeySpec, ManagedKeyPolicy, ProbeMode
from keywright.api.schema import KeyIdentity, Listed, Region
from keywright.api.source import CredentialSource, Provider, SourceTraits

# An account has 50 keys in a region (20 in the US): a grant must not use them up.
_KEYS_PER_GRANT: Final = 10
_OVERLAP: Final = "1h"

WorkspaceId: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?\Z")
]
"""The ID of a workspace, which becomes part of a host name."""
ModelName: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*\Z")
]
"""The name of a model."""

SHARED_HOSTS: Final[Mapping[str, str]] = {
    "cn-beijing": "dashscope.aliyuncs.com",
    "ap-southeast-1": "dashscope-intl.aliyuncs.com",
    "us-east-1": "dashscope-us.aliyuncs.com",
    "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
}
"""The hosts that accept the keys of all workspaces of a region ("Base URL overview")."""

_VARIABLES: Final = COMMON_VARIABLES | {
    Variable.API_KEY,
    Variable.OPENAI_BASE_URL,
    Variable.DASHSCOPE_URL,
    Variable.DOT_ENV,
}
_ENVIRONMENT: Final[Mapping[str, Variable]] = {
    "DASHSCOPE_API_KEY": Variable.API_KEY,
    "DASHSCOPE_HTTP_BASE_URL": Variable.DASHSCOPE_URL,
    "DASHSCOPE_COMPATIBLE_BASE_URL": Variable.OPENAI_BASE_URL,
    "DASHSCOPE_API_BASE": Variable.OPENAI_BASE_URL,
}


def host_in(region: str, workspace_id: str | None) -> str | None:
    """The host that accepts a key: of its workspace, otherwise the shared one of its region."""
    if workspace_id is not None:
        return f"{workspace_id}.{region}.maas.aliyuncs.com"
    return SHARED_HOSTS.get(region)


class _ModelStudioKey(KeySpec, frozen=True, kw_only=True):
    """What both kinds have in common: a region, a workspace, and the URLs that follow."""

    formats: ClassVar = MODEL_STUDIO_FORMATS
    default_formats: ClassVar = (Format.DASHSCOPE_ENV,)
    environment: ClassVar = _ENVIRONMENT
    is_regional: ClassVar = True

    region: Region | None = None
    workspace_id: WorkspaceId | None = None

    @property
    @override
    def own_region(self) -> str | None:
        """The region field of the key."""
        return self.region

    @override
    def region_errors(self, region: str) -> Iterator[FieldError]:
        """Without a workspace, only some regions have a host for the key."""
        if host_in(region, self.workspace_id) is None:
            yield FieldError(
                f"spec.{self.kind}.region",
                f"Model Studio has no shared host in {region}: set the region of the workspace,"
                f" one of {', '.join(SHARED_HOSTS)}, or set workspaceId as well",
            )

    @override
    def own_values(self, region: str, traits: SourceTraits) -> Mapping[Variable, str]:
        """The base URLs of the native and the OpenAI-compatible API."""
        del traits
        host = host_in(region, self.workspace_id)
        if host is None:
            return {}
        return {
            Variable.DASHSCOPE_URL: f"https://{host}/api/v1",
            Variable.OPENAI_BASE_URL: f"https://{host}/compatible-mode/v1",
        }

    @override
    def key_identity(self) -> KeyIdentity:
        """The workspace; the grant adds the region."""
        return {"workspaceId": self.workspace_id}


class ModelStudioKey(_ModelStudioKey, frozen=True, kw_only=True):
    """An API key of Model Studio, valid until it is deleted."""

    kind: ClassVar = "modelStudioKey"
    variables: ClassVar = _VARIABLES | {Variable.PREVIOUS_API_KEY, Variable.KEY_ID}
    probe_modes: ClassVar = frozenset({ProbeMode.SERVICE})
    is_managed: ClassVar = True

    rotate_every: str
    overlap: str | None = None
    access_ips: Listed[str] = ()
    accessible_models: Listed[ModelName] = ()

    @classmethod
    @override
    def required_source(cls, source: CredentialSource) -> str:
        """A source of Alibaba Cloud that signs requests."""
        signs = not isinstance(source.identity, AlibabaBearer)
        if source.provider is Provider.ALIBABA_CLOUD and signs:
            return ""
        return "with alibabaCloud, and an access key or a session"

    @property
    @override
    def expires(self) -> bool:
        """Never: CreateApiKey has no parameter for an expiry."""
        return False

    @property
    @override
    def managed(self) -> ManagedKeyPolicy:
        """The description of each key names the grant; the default overlap is an hour."""
        return ManagedKeyPolicy(
            most=_KEYS_PER_GRANT,
            overlap_seconds=parse_duration(self.overlap or _OVERLAP),
            rotate_seconds=parse_duration(self.rotate_every),
        )

    @property
    @override
    def service_title(self) -> str:
        """The name of the service."""
        return "Model Studio"

    @property
    @override
    def owner_description(self) -> str:
        """The workspace."""
        return f"Model Studio workspace {self.workspace_id or 'default'}"

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """Durations and addresses."""
        field = f"spec.{self.kind}"
        yield from checks.duration(f"{field}.rotateEvery", self.rotate_every, least=HOUR)
        yield from checks.duration(f"{field}.overlap", self.overlap)
        yield from checks.shorter(
            f"{field}.overlap", self.overlap, than_field="rotateEvery", than=self.rotate_every
        )
        for address in self.access_ips:
            try:
                ip_network(address)
            except ValueError as error:
                yield FieldError(
                    f"{field}.accessIps", f"{error}: write 203.0.113.7 or 203.0.113.0/24"
                )

    @classmethod
    @override
    def spec_to_revoke(cls, key_ids: Iterator[str], found: object) -> Mapping[str, Any]:
        """Region and key are in each ID; the required rotation interval has no effect."""
        del cls, key_ids, found
        return {"rotateEvery": "30d"}

    @property
    @override
    def revocation_spec(self) -> Mapping[str, Any]:
        """Region and key are in each ID; the required rotation interval has no effect."""
        return {"rotateEvery": "30d"}


class ModelStudioTemporaryKey(_ModelStudioKey, frozen=True, kw_only=True):
    """A temporary key of Model Studio, made with the key of the source; valid for 30 minutes."""

    kind: ClassVar = "modelStudioTemporaryKey"
    # A bearer token does not say whose account it is of.
    variables: ClassVar = (_VARIABLES | {Variable.EXPIRES_AT, Variable.EXPIRES_AT_UNIX}) - {
        Variable.ACCOUNT_ID
    }

    duration: str = "30m"

    @property
    def duration_seconds(self) -> int:
        """The requested lifetime in seconds."""
        return int(parse_duration(self.duration))

    @classmethod
    @override
    def required_source(cls, source: CredentialSource) -> str:
        """A source with a long-lived key of Model Studio as its bearer token."""
        return "" if isinstance(source.identity, AlibabaBearer) else "with alibabaCloud.bearer"

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The duration."""
        field = f"spec.{self.kind}.duration"
        yield from checks.duration(field, self.duration, least=MINUTE, most=30 * MINUTE)

    @override
    def key_identity(self) -> KeyIdentity:
        """The workspace and the duration."""
        return super().key_identity() | {"duration": self.duration_seconds}
