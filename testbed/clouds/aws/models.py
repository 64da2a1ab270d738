"""The foundation models of the emulated Bedrock, and their response: an echo."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PACE = re.compile(r"\bTake (\d{1,2}) s\b")
_ROUTED = ("us.", "eu.", "apac.", "global.")


@dataclass(frozen=True, slots=True)
class Model:
    """A foundation model."""

    id: str
    name: str
    provider: str


MODELS = (
    Model("amazon.nova-lite-v1:0", "Nova Lite", "Amazon"),
    Model("anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude Sonnet 4.5", "Anthropic"),
    Model("openai.gpt-oss-20b-1:0", "gpt-oss-20b", "OpenAI"),
    Model("openai.gpt-oss-120b-1:0", "gpt-oss-120b", "OpenAI"),
)
_KNOWN = {model.id: model for model in MODELS}


def find(model_id: str) -> Model | None:
    """The model with that ID, also by a cross-region inference profile (`us.` and so on)."""
    for prefix in _ROUTED:
        if model_id.startswith(prefix):
            return _KNOWN.get(model_id.removeprefix(prefix))
    return _KNOWN.get(model_id)


def arn(model_id: str, *, region: str, account: str) -> str:
    """The resource of the call itself: the model, or the inference profile."""
    if model_id.startswith(_ROUTED):
        return f"arn:aws:bedrock:{region}:{account}:inference-profile/{model_id}"
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"


def arns(model_id: str, *, region: str, account: str) -> tuple[str, ...]:
    """What a policy must allow: for a profile, its model as well.

    Bedrock User Guide, "Prerequisites for inference profiles". [R]
    """
    own = arn(model_id, region=region, account=account)
    if not model_id.startswith(_ROUTED):
        return (own,)
    return own, arn(model_id.partition(".")[2], region=region, account=account)


def seconds_to_stream(text: str) -> float:
    """How long a streamed response takes: "Take 6 s." in the question asks for six seconds."""
    found = _PACE.search(text)
    return float(found[1]) if found else 0.0


def reply(text: str) -> str:
    """The response of every model."""
    return f"You said: {text}"
