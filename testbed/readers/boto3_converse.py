"""A pod that uses boto3: `bedrock-runtime` Converse, with the key from its environment.

botocore reads AWS_BEARER_TOKEN_BEDROCK when a client is created and keeps it, but checks on each
call whether the variable exists (handlers.py, `_should_prefer_bearer_auth`). For the region it
reads AWS_DEFAULT_REGION only (botocore 1.44, configprovider.py), so the pod passes AWS_REGION.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.config import Config

from testbed.boto3_sessions import boto3_session
from testbed.readers.answers import MODEL, QUESTION, Answer, once, pod_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "boto3-converse"


class Boto3Converse:
    """A pod started with this Secret."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._variables = {**cloud_environment, **data}
        with pod_environment(self._variables):
            self._client = boto3_session().client(
                "bedrock-runtime",
                region_name=data["AWS_REGION"],
                config=Config(retries={"total_max_attempts": 1}),
            )

    def ask(self) -> str:
        """Send one prompt."""
        with pod_environment(self._variables):
            answer = self._client.converse(
                modelId=MODEL, messages=[{"role": "user", "content": [{"text": QUESTION}]}]
            )
        return str(answer["output"]["message"]["content"][0]["text"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def call(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt, by a pod started for it."""
    return once(NAME, Boto3Converse, data=data, cloud_environment=cloud_environment)
