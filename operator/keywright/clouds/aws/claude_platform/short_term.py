"""Short-term API keys of Claude Platform on AWS.

Permissions: the user guide, "IAM actions for Claude Platform on AWS", and the managed policy
AnthropicInferenceAccess: the gateway calls STS in the name of the caller. Requests: the user guide,
"Authentication", and Anthropic's Messages API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from keywright.api.claude_platform_key import ClaudePlatformShortTermKey
from keywright.api.formats import Variable
from keywright.api.grant import Probe
from keywright.api.source import AWS_TRAITS
from keywright.clouds.addresses import Reach
from keywright.clouds.aws.place import Place
from keywright.clouds.aws.presigned_keys import PresignedKeys
from keywright.clouds.aws.probes import ProbeContext, rejected, send
from keywright.clouds.policy_statements import allowing, statement
from keywright.secrets.credential import API_KEY, Credential

KEYS: Final = PresignedKeys(
    host="aws-external-anthropic.amazonaws.com",
    service="aws-external-anthropic",
    prefix="aws-external-anthropic-api-key-",
)
_NAME: Final = "Claude Platform on AWS"
_SERVICE: Final = "aws-external-anthropic"
_VERSION: Final = "2023-06-01"


def permissions(
    keys: Sequence[tuple[ClaudePlatformShortTermKey, Place]],
) -> Iterator[dict[str, Any]]:
    """What readers call: a short-term key has the permissions of the role that signs it.

    With a session policy, the key has what both allow: the role needs the latter.
    """
    for key, place in keys:
        limits = list(allowing(key.policy))
        if not limits:
            yield from use_of_workspace(
                place.arn(_SERVICE, f"workspace/{key.workspace_id}", region=place.region)
            )
        for each in limits:
            yield {"Sid": "LimitedClaudePlatformKeys", **each}


def use_of_workspace(workspace: str) -> Iterator[dict[str, Any]]:
    """The least with which a key works in a workspace."""
    yield statement("UseClaudePlatformApiKeys", [f"{_SERVICE}:CallWithBearerToken"], "*")
    actions = ("CreateInference", "CountTokens", "ListModels")
    yield statement("UseWorkspace", [f"{_SERVICE}:{action}" for action in actions], workspace)
    yield statement(
        "LetTheServiceIdentifyTheCaller",
        ["sts:GetWebIdentityToken"],
        "*",
        condition={
            "ForAnyValue:StringEquals": {
                "sts:IdentityTokenAudience": [
                    "https://api.anthropic.com",
                    "https://platform.claude.com",
                ]
            },
            "StringEquals": {"aws:CalledViaLast": f"{_SERVICE}.amazonaws.com"},
        },
    )
    yield statement("LetTheServiceTagTheToken", ["sts:TagGetWebIdentityToken"], "*")


async def probe(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """List the models, or let a model write one token.

    Raises:
        Failure: the service rejects the key.
    """
    assert context.key is not None
    own = context.key.own_values(credential.region, AWS_TRAITS)
    base, workspace = own[Variable.CLAUDE_PLATFORM_URL], own[Variable.WORKSPACE_ID]
    headers = {
        "Authorization": f"Bearer {credential.values[API_KEY].reveal()}",
        "anthropic-version": _VERSION,
        "anthropic-workspace-id": workspace,
    }
    if probe.model_id is None:
        method, url, body, action = "GET", f"{base}/v1/models", None, "ListModels"
    else:
        method, url, action = "POST", f"{base}/v1/messages", "CreateInference"
        body = {
            "model": probe.model_id,
            "max_tokens": 1,
            "messages": [{"role": "user", "content": "."}],
        }
    answer = await send(
        context, method, url, by=_NAME, headers=headers, json_body=body, reach=Reach.VENDOR
    )
    if answer.status != 200:
        raise rejected(
            answer,
            by=_NAME,
            remedy=(
                f"The probe needs {_SERVICE}:CallWithBearerToken, {_SERVICE}:{action} on workspace"
                f" {workspace} in {credential.region}, sts:GetWebIdentityToken and"
                " sts:TagGetWebIdentityToken, and outbound web identity federation in the account."
            ),
        )
