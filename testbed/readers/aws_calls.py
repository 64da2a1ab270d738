"""The calls of a pod with STS credentials: its identity, or a prompt for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config

from testbed.boto3_sessions import boto3_session
from testbed.readers.answers import MODEL, QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

_ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


def identity(region: str) -> tuple[Any, Callable[[Any], str]]:
    """A client of STS, and the call that returns the caller's ARN."""
    client = boto3_session().client("sts", region_name=region, config=_ONE_ATTEMPT)
    return client, lambda sts: str(sts.get_caller_identity()["Arn"])


def converse(region: str) -> tuple[Any, Callable[[Any], str]]:
    """A client of Bedrock's runtime, and the call that returns the model's response."""
    client = boto3_session().client("bedrock-runtime", region_name=region, config=_ONE_ATTEMPT)
    return client, _ask


def _ask(runtime: Any) -> str:
    answer = runtime.converse(
        modelId=MODEL, messages=[{"role": "user", "content": [{"text": QUESTION}]}]
    )
    return str(answer["output"]["message"]["content"][0]["text"])
