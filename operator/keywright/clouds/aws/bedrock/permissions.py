"""What the readers of a key of Amazon Bedrock call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from keywright.api.bedrock_keys import BedrockLongTermKey
from keywright.clouds.aws.place import Place
from keywright.clouds.policy_statements import statement

_INVOKE: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
_ANY: Final = "*"


def use_of_bedrock(place: Place) -> Iterator[dict[str, Any]]:
    """What readers of a Bedrock key call; manifests do not say which models they use."""
    bearer = ["bedrock:CallWithBearerToken"]
    if place.has_mantle:
        bearer.append("bedrock-mantle:CallWithBearerToken")
    yield statement("UseBedrockApiKeys", bearer, _ANY)
    models = (
        f"arn:{place.partition}:bedrock:*::foundation-model/*",
        place.arn("bedrock", "inference-profile/*", region="*"),
    )
    yield statement("InvokeModels", _INVOKE, models)
    if place.has_mantle:
        projects = place.arn("bedrock-mantle", "project/*", region="*")
        yield statement("InvokeModelsThroughMantle", ["bedrock-mantle:CreateInference"], projects)
    yield statement("ListModels", ["bedrock:ListFoundationModels"], _ANY)


def boundary(key: BedrockLongTermKey, place: Place) -> Iterator[dict[str, Any]]:
    """The most that a created user can do: use models with its keys."""
    del key
    actions = [
        "bedrock:CallWithBearerToken",
        "bedrock:Get*",
        "bedrock:List*",
        *_INVOKE,
    ]
    if place.has_mantle:
        actions += [
            "bedrock-mantle:CallWithBearerToken",
            "bedrock-mantle:Get*",
            "bedrock-mantle:List*",
            "bedrock-mantle:CreateInference",
        ]
    yield statement("InvokeModelsOnly", actions, _ANY)
