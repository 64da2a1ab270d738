"""Amazon Bedrock short-term API keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from keywright.api.bedrock_keys import BedrockShortTermKey
from keywright.clouds.aws.bedrock.permissions import use_of_bedrock
from keywright.clouds.aws.place import Place
from keywright.clouds.aws.presigned_keys import PresignedKeys
from keywright.clouds.policy_statements import allowing

KEYS: Final = PresignedKeys(
    host="bedrock.amazonaws.com", service="bedrock", prefix="bedrock-api-key-"
)
# The statements of `allowedModels` (api.bedrock_models), in their order.
_ALLOWED_MODELS: Final = (
    "UseBedrockApiKeys",
    "InvokeAllowedModels",
    "InvokeAllowedModelsThroughMantle",
)


def permissions(keys: Sequence[tuple[BedrockShortTermKey, Place]]) -> Iterator[dict[str, Any]]:
    """What readers call: a short-term key has the permissions of the role that signs it.

    With a session policy, the key has what both allow: the role needs the latter.
    """
    for key, place in keys:
        limits = list(allowing(key.policy_in(place.partition)))
        if not limits:
            yield from use_of_bedrock(place)
        names = _ALLOWED_MODELS if key.allowed_models else ["LimitedBedrockKeys"] * len(limits)
        for name, each in zip(names, limits, strict=True):
            yield {"Sid": name, **each}
