"""Long-term API keys of the AWS services beside Amazon Bedrock that have them.

Service names, policies and bearer actions: IAM User Guide, "API keys for AWS services", and the
pages of the services on bearer tokens (CloudWatch User Guide, "Setting up bearer token
authentication for Metrics"; CloudWatch Logs User Guide, "Setting up bearer token authentication";
X-Ray Developer Guide, "Setting up bearer token authentication for traces"). The policy for X-Ray:
AWS Managed Policy Reference, "AWSXRayAPIKeyAccess".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import msgspec
from typing_extensions import override

from keywright.api.claude_platform_key import (
    CLAUDE_PLATFORM_ENVIRONMENT,
    WorkspaceId,
    claude_platform_url,
)
from keywright.api.errors import FieldError
from keywright.api.formats import AWS_LONG_TERM_FORMATS, Format, Variable
from keywright.api.key_spec import COMMON_VARIABLES, ProbeMode
from keywright.api.partitions import AWS, partition_of, service_host
from keywright.api.schema import KeyIdentity
from keywright.api.source import Provider, SourceTraits
from keywright.api.user_key import KeyService, UserKey

LogGroup: TypeAlias = Annotated[str, msgspec.Meta(max_length=512, pattern=r"^[A-Za-z0-9_./-]+\Z")]
"""The name of a log group, which becomes part of a header; IAM and shells take it as it is."""
LogStream: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=512, pattern=r"^[A-Za-z0-9_./@+=-]+\Z")
]
"""The name of a log stream, likewise."""


class AwsService(StrEnum):
    """The services whose long-term keys this kind issues."""

    CLAUDE_PLATFORM = "ClaudePlatform"
    CLOUDWATCH = "CloudWatch"
    CLOUDWATCH_LOGS = "CloudWatchLogs"
    XRAY = "XRay"


@dataclass(frozen=True, slots=True)
class OtlpSignal:
    """The endpoint of a service that accepts OpenTelemetry data: its host and path."""

    host: str
    name: str

    @property
    def path(self) -> str:
        """The path, with the version of the protocol."""
        return f"/v1/{self.name}"

    def url(self, region: str) -> str:
        """The whole URL, as OTEL_EXPORTER_OTLP_METRICS_ENDPOINT and the like need it."""
        return f"https://{service_host(self.host, region=region)}{self.path}"


KEY_SERVICES: Final[Mapping[AwsService, KeyService]] = {
    AwsService.CLAUDE_PLATFORM: KeyService(
        name="aws-external-anthropic.amazonaws.com",
        title="Claude Platform on AWS",
        prefix="AEAA",
        bearer_actions=("aws-external-anthropic:CallWithBearerToken",),
        default_policy="AnthropicInferenceAccess",
    ),
    AwsService.CLOUDWATCH: KeyService(
        name="cloudwatch.amazonaws.com",
        title="Amazon CloudWatch",
        prefix="APIAACWM",
        bearer_actions=("cloudwatch:CallWithBearerToken",),
        default_policy="CloudWatchAPIKeyAccess",
    ),
    AwsService.CLOUDWATCH_LOGS: KeyService(
        name="logs.amazonaws.com",
        title="Amazon CloudWatch Logs",
        prefix="ACWL",
        bearer_actions=("logs:CallWithBearerToken",),
        default_policy="CloudWatchLogsAPIKeyAccess",
    ),
    # The prefix of X-Ray's keys is not documented: no key is recognized by its value.
    AwsService.XRAY: KeyService(
        name="xray.amazonaws.com",
        title="AWS X-Ray",
        prefix="",
        bearer_actions=("xray:CallWithBearerToken",),
        default_policy="AWSXRayAPIKeyAccess",
    ),
}

SIGNALS: Final[Mapping[AwsService, OtlpSignal]] = {
    AwsService.CLOUDWATCH: OtlpSignal("monitoring", "metrics"),
    AwsService.CLOUDWATCH_LOGS: OtlpSignal("logs", "logs"),
    AwsService.XRAY: OtlpSignal("xray", "traces"),
}
"""CloudWatch User Guide, "OTLP Endpoints"."""

_ENVIRONMENT_FORMATS: Final[Mapping[AwsService, Format]] = {
    AwsService.CLAUDE_PLATFORM: Format.CLAUDE_PLATFORM_ENV,
    AwsService.CLOUDWATCH: Format.OTLP_METRICS_ENV,
    AwsService.CLOUDWATCH_LOGS: Format.OTLP_LOGS_ENV,
    AwsService.XRAY: Format.OTLP_TRACES_ENV,
}
_OF_CLAUDE_PLATFORM: Final = frozenset({Variable.WORKSPACE_ID, Variable.CLAUDE_PLATFORM_URL})
_NO_WORKSPACE: Final = "wrkspc_0"
_OF_OTLP: Final = frozenset({Variable.OTLP_URL, Variable.OTLP_HEADERS})


def _service_in(spec: Mapping[str, Any]) -> AwsService | None:
    """The service of a spec of which any part can be missing or invalid."""
    chosen = spec.get("service")
    if isinstance(chosen, str) and chosen in set(AwsService):
        return AwsService(chosen)
    return None


class AwsLongTermKey(UserKey, frozen=True, kw_only=True):
    """An API key of an AWS service that belongs to an IAM user: a service-specific credential."""

    kind: ClassVar = "awsLongTermKey"
    formats: ClassVar = AWS_LONG_TERM_FORMATS
    default_formats: ClassVar = (Format.API_KEY,)
    variables: ClassVar = (
        COMMON_VARIABLES
        | _OF_CLAUDE_PLATFORM
        | _OF_OTLP
        | {
            Variable.API_KEY,
            Variable.PREVIOUS_API_KEY,
            Variable.KEY_ID,
            Variable.EXPIRES_AT,
            Variable.EXPIRES_AT_UNIX,
            Variable.DOT_ENV,
        }
    )
    probe_modes: ClassVar = frozenset({ProbeMode.SERVICE})

    service: AwsService
    workspace_id: WorkspaceId | None = None
    log_group: LogGroup | None = None
    log_stream: LogStream | None = None

    @property
    @override
    def key_service(self) -> KeyService:
        """The service of the field."""
        return KEY_SERVICES[self.service]

    @classmethod
    @override
    def service_name_in(cls, spec: Mapping[str, Any]) -> str:
        """By the field `service`; empty if that is no service of this kind."""
        chosen = _service_in(spec)
        return "" if chosen is None else KEY_SERVICES[chosen].name

    @property
    def signal(self) -> OtlpSignal | None:
        """The endpoint for OpenTelemetry data, if the service has one."""
        return SIGNALS.get(self.service)

    @property
    @override
    def own_formats(self) -> frozenset[Format]:
        """Those of every key, and the one with the environment variables of the service."""
        every = AWS_LONG_TERM_FORMATS - set(_ENVIRONMENT_FORMATS.values())
        if self._lacks_log_group:
            return every - {Format.DOT_ENV}
        return every | {_ENVIRONMENT_FORMATS[self.service]}

    @property
    @override
    def own_variables(self) -> frozenset[Variable]:
        """Without the workspace, or without the endpoint for OpenTelemetry data."""
        if self.signal is None:
            return self.variables - _OF_OTLP
        lacking = {Variable.OTLP_HEADERS, Variable.DOT_ENV} if self._lacks_log_group else set()
        return self.variables - _OF_CLAUDE_PLATFORM - lacking

    @override
    def environment_for(self, provider: Provider) -> Mapping[str, Variable]:
        """The variables of Anthropic's SDK, or of OTLP exporters for the signal of the service."""
        del provider
        if self.signal is None:
            return CLAUDE_PLATFORM_ENVIRONMENT
        prefix = f"OTEL_EXPORTER_OTLP_{self.signal.name.upper()}"
        return {
            f"{prefix}_ENDPOINT": Variable.OTLP_URL,
            f"{prefix}_HEADERS": Variable.OTLP_HEADERS,
        }

    @property
    @override
    def otlp_headers(self) -> Mapping[str, str]:
        """CloudWatch Logs: the log group and stream, which this endpoint takes from headers alone.

        CloudWatch Logs User Guide, "Log ingestion through HTTP endpoints".
        """
        if self.log_group is None or self.log_stream is None:
            return {}
        return {"x-aws-log-group": self.log_group, "x-aws-log-stream": self.log_stream}

    @override
    def own_values(self, region: str, traits: SourceTraits) -> Mapping[Variable, str]:
        """The workspace and the base URL of the Region, or the endpoint for OpenTelemetry data."""
        del traits
        if self.signal is not None:
            return {Variable.OTLP_URL: self.signal.url(region)}
        assert self.workspace_id is not None  # `field_errors`
        return {
            Variable.WORKSPACE_ID: self.workspace_id,
            Variable.CLAUDE_PLATFORM_URL: claude_platform_url(region),
        }

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The fields that belong to one service only."""
        field = f"spec.{self.kind}"
        of_claude = self.service is AwsService.CLAUDE_PLATFORM
        if of_claude and self.workspace_id is None:
            yield FieldError(
                f"{field}.workspaceId", "ClaudePlatform needs it: set the ID of the workspace"
            )
        if not of_claude and self.workspace_id is not None:
            yield FieldError(
                f"{field}.workspaceId", "only ClaudePlatform has workspaces: remove it"
            )
        if self.service is not AwsService.CLOUDWATCH_LOGS and (self.log_group or self.log_stream):
            name = "logGroup" if self.log_group else "logStream"
            yield FieldError(f"{field}.{name}", "only CloudWatchLogs has log groups: remove it")
        elif (self.log_group is None) != (self.log_stream is None):
            name = "logGroup" if self.log_group is None else "logStream"
            yield FieldError(f"{field}.{name}", "set logGroup and logStream, or neither of them")
        yield from super().field_errors()

    @override
    def region_errors(self, region: str) -> Iterator[FieldError]:
        """Claude Platform on AWS is in the public Regions of AWS alone."""
        partition = partition_of(region)
        if self.service is AwsService.CLAUDE_PLATFORM and partition is not AWS:
            yield FieldError(
                f"spec.{self.kind}.region",
                f"Claude Platform on AWS is not in partition {partition.id} (Region {region}): set"
                " the Region of the workspace",
            )

    @override
    def probe_errors(self, mode: ProbeMode) -> Iterator[FieldError]:
        """CloudWatch Logs is asked with a log group."""
        if mode is ProbeMode.SERVICE and self._lacks_log_group:
            yield FieldError(
                "spec.probe.mode",
                f"Service needs spec.{self.kind}.logGroup and logStream: set them, or use None",
            )

    @override
    def key_identity(self) -> KeyIdentity:
        """With the service; workspace, log group and stream only change what readers send."""
        return super().key_identity() | {"service": self.service.value}

    @property
    @override
    def setup_notes(self) -> tuple[str, ...]:
        """What the service requires beside permissions."""
        match self.service:
            case AwsService.CLAUDE_PLATFORM:
                enable = "aws iam enable-outbound-web-identity-federation"
                return (f"enable outbound web identity federation in the account: {enable}",)
            case AwsService.CLOUDWATCH_LOGS:
                group = self.log_group or "LOG-GROUP"
                accept = (
                    f"aws logs put-bearer-token-authentication --log-group-identifier {group}"
                    " --bearer-token-authentication-enabled"
                )
                return (f"let the log group accept API keys, which it refuses before: {accept}",)
            case AwsService.XRAY:
                return ("the endpoint for traces needs Transaction Search of CloudWatch",)
            case AwsService.CLOUDWATCH:
                return ()

    @property
    @override
    def revocation_spec(self) -> Mapping[str, Any]:
        """With the service; its other fields have no effect on a revocation."""
        own = self.revocation_fields_in({"service": self.service.value})
        return {**super().revocation_spec, **own}

    @classmethod
    @override
    def revocation_fields_in(cls, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The service if the spec names one: keys are revoked by their IDs, whatever service."""
        chosen = _service_in(spec) or AwsService.CLOUDWATCH
        if chosen is AwsService.CLAUDE_PLATFORM:
            return {"service": chosen.value, "workspaceId": _NO_WORKSPACE}
        return {"service": chosen.value}

    @property
    def _lacks_log_group(self) -> bool:
        return self.service is AwsService.CLOUDWATCH_LOGS and not self.otlp_headers
