"""Every client of a polling reader, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.readers import (
    alibaba,
    aws_env,
    aws_process,
    boto3_converse,
    http_api,
    http_converse,
    openai_chat,
    partner,
    proxied,
    sidecars,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.readers.answers import Connect

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
    proxied.HTTP: proxied.ProxiedHttp,
    proxied.STS: proxied.ProxiedSts,
}
