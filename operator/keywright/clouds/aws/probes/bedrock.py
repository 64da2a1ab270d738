"""Tries an Amazon Bedrock API key: ListFoundationModels, or one token of a model.

Paths and bodies are those of botocore's models `bedrock` and `bedrock-runtime`; a bearer key stands
in the header Authorization (AWS's guide to Bedrock API keys). Asked directly: a boto3 client takes
a bearer key from its environment alone.
"""

from __future__ import annotations

from urllib.parse import quote

from keywright.api.grant import Probe
from keywright.api.partitions import service_host
from keywright.clouds.aws.probes.request import ProbeContext, rejected, send
from keywright.secrets.credential import API_KEY, Credential

_OK = 200
_NAME = "Amazon Bedrock"


async def probe_bedrock(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Raises Failure unless Bedrock accepts the key."""
    headers = {"Authorization": f"Bearer {credential.values[API_KEY].reveal()}"}
    region = credential.region
    if probe.model_id is None:
        answer = await send(
            context,
            "GET",
            f"https://{service_host('bedrock', region=region)}/foundation-models",
            by=_NAME,
            headers=headers,
        )
        needs = "bedrock:ListFoundationModels"
    else:
        answer = await send(
            context,
            "POST",
            f"https://{service_host('bedrock-runtime', region=region)}"
            f"/model/{quote(probe.model_id, safe='')}/converse",
            by=_NAME,
            headers=headers,
            json_body={
                "messages": [{"role": "user", "content": [{"text": "."}]}],
                "inferenceConfig": {"maxTokens": 1},
            },
        )
        needs = f"bedrock:InvokeModel on {probe.model_id}"
    if answer.status != _OK:
        raise rejected(
            answer,
            by=_NAME,
            remedy=f"The probe needs bedrock:CallWithBearerToken and {needs}.",
        )
