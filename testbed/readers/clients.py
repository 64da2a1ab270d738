"""Every client of a polling reader, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.readers import (
    alibaba,
    aws_env,
    aws_process,
    boto3_converse,
    container_tools,
    http_api,
    http_converse,
    llm_app,
    model_studio,
    node_sdks,
    openai_chat,
    package_managers,
    partner,
    proxied,
    sidecars,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.readers.answers import Client, Connect

CLAUDE_PLATFORM = "anthropic-aws"
OTLP_METRICS, OTLP_LOGS, OTLP_TRACES = "otlp-metrics", "otlp-logs", "otlp-traces"
ANTHROPIC_API, OPENAI_API = "anthropic-api", "openai-api"
ANTHROPIC, SLOW_ANTHROPIC = "anthropic-behind-proxy", "anthropic-slow-stream-behind-proxy"


# The environment of `make demo` has no SDK of Anthropic or OpenTelemetry.
def _anthropic(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Client:
    from testbed.readers.anthropic_sdk import ProxiedAnthropic  # noqa: PLC0415

    return ProxiedAnthropic(data, cloud_environment=cloud_environment)


def _slow_anthropic(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Client:
    from testbed.readers.anthropic_sdk import ProxiedSlowAnthropic  # noqa: PLC0415

    return ProxiedSlowAnthropic(data, cloud_environment=cloud_environment)


def _claude_platform(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Client:
    from testbed.readers.claude_platform import ClaudePlatform  # noqa: PLC0415

    return ClaudePlatform(data, cloud_environment=cloud_environment)


def _otlp(signal: str) -> Connect:
    def connect(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Client:
        from testbed.readers.otlp import Exporter  # noqa: PLC0415

        return Exporter(signal, data, cloud_environment=cloud_environment)

    return connect


def _vendor(name: str) -> Connect:
    def connect(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Client:
        from testbed.readers.vendor_sdks import SDKS  # noqa: PLC0415

        return SDKS[name](data, cloud_environment=cloud_environment)

    return connect


CLIENTS: Mapping[str, Connect] = {
    boto3_converse.NAME: boto3_converse.Boto3Converse,
    openai_chat.NAME: openai_chat.OpenAIChat,
    http_converse.NAME: http_converse.HttpConverse,
    aws_env.IDENTITY: aws_env.identity,
    aws_env.CONVERSE: aws_env.converse,
    aws_process.IDENTITY: aws_process.identity,
    aws_process.CONVERSE: aws_process.converse,
    http_api.NAME: http_api.HttpApi,
    partner.NAME: partner.Partner,
    llm_app.NAME: llm_app.LlmApp,
    alibaba.ENV: alibaba.env,
    alibaba.FILES: alibaba.MountedPod.files,
    alibaba.CLI_CONFIG: alibaba.CliConfigPod,
    alibaba.SECTION: alibaba.MountedPod.section,
    alibaba.BEARER: alibaba.bearer,
    sidecars.ALIBABA: sidecars.AlibabaSidecar,
    sidecars.AWS: sidecars.AwsSidecar,
    proxied.OPENAI: proxied.ProxiedOpenAI,
    proxied.STREAM: proxied.ProxiedStream,
    proxied.BOTO3: proxied.ProxiedBoto3,
    proxied.SLOW_STREAM: proxied.ProxiedSlowStream,
    proxied.CONVERSE_STREAM: proxied.ProxiedConverseStream,
    proxied.SLOW_CONVERSE: proxied.ProxiedSlowConverseStream,
    proxied.HTTP: proxied.ProxiedHttp,
    proxied.REQUESTS: proxied.ProxiedRequests,
    proxied.CURL: proxied.ProxiedCurl,
    node_sdks.OPENAI: node_sdks.NodeSdk,
    node_sdks.ANTHROPIC: node_sdks.NodeAnthropic,
    node_sdks.SLOW_OPENAI: node_sdks.SlowNodeOpenAI,
    CLAUDE_PLATFORM: _claude_platform,
    model_studio.DASHSCOPE: model_studio.DashScopePod,
    model_studio.OPENAI: model_studio.OpenAIPod,
    model_studio.FILES: model_studio.FilePod,
    OTLP_METRICS: _otlp(OTLP_METRICS),
    OTLP_LOGS: _otlp(OTLP_LOGS),
    OTLP_TRACES: _otlp(OTLP_TRACES),
    ANTHROPIC_API: _vendor(ANTHROPIC_API),
    OPENAI_API: _vendor(OPENAI_API),
    ANTHROPIC: _anthropic,
    SLOW_ANTHROPIC: _slow_anthropic,
    proxied.STS: proxied.ProxiedSts,
    **package_managers.PROGRAMS,
    container_tools.NAME: container_tools.Puller,
}
