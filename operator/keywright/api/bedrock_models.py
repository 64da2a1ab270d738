"""The session policy for `allowedModels`: a list of models inside a key of Amazon Bedrock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from keywright.api.errors import FieldError
from keywright.api.schema import Policy

# Regions of cross-Region inference profiles: Amazon Bedrock User Guide, "Supported Regions and
# models for inference profiles".
_PROFILE_REGIONS: Final = frozenset(
    {"us", "us-gov", "eu", "apac", "ap", "au", "ca", "jp", "global", "sa", "me", "il"}
)
_MODEL: Final = re.compile(r"[a-z0-9*][a-zA-Z0-9.:*_-]{0,127}")


def model_policy(models: Sequence[str], *, partition: str) -> Policy:
    """Return a policy that allows these models alone, in the forms of the runtime and of Mantle.

    Service Authorization Reference, "Amazon Bedrock" and "Amazon Bedrock Mantle": a call by an
    inference profile needs both the profile and the models of its Regions; Mantle has one resource
    for all models of a project, and the condition key `bedrock-mantle:Model`.
    """
    names = sorted(set(models))
    base = f"arn:{partition}:bedrock:*"
    resources = [
        *(f"{base}::foundation-model/{name}" for name in names),
        *(f"{base}:*:inference-profile/*.{name}" for name in names),
    ]
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": ["bedrock:CallWithBearerToken", "bedrock-mantle:CallWithBearerToken"],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
            "Resource": resources,
        },
        {
            "Effect": "Allow",
            "Action": "bedrock-mantle:CreateInference",
            "Resource": "*",
            "Condition": {"StringLike": {"bedrock-mantle:Model": names}},
        },
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def model_errors(field: str, models: Sequence[str]) -> Iterator[FieldError]:
    """Require IDs of models, `*` for any characters, without the Region of a profile."""
    for index, name in enumerate(models):
        place = f"{field}[{index}]"
        region, dot, _ = name.partition(".")
        if not _MODEL.fullmatch(name):
            yield FieldError(
                place, f"{name!r} is no ID of a model: write it like anthropic.claude-*"
            )
        elif dot and region in _PROFILE_REGIONS:
            yield FieldError(
                place, f"begins with the Region of an inference profile: remove {region}{dot}"
            )
