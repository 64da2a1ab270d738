"""Pods that use an AWS SDK with session credentials from their environment (format AwsEnv).

botocore reads AWS_ACCESS_KEY_ID and related variables once, when the session's credentials are
first needed, and never again: such a pod must be restarted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.readers import aws_calls
from testbed.readers.answers import Answer, once, pod_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IDENTITY = "aws-env-identity"
CONVERSE = "aws-env-converse"


class AwsEnv:
    """A pod started with this Secret, which sends one kind of call."""

    def __init__(
        self,
        data: Mapping[str, str],
        *,
        cloud_environment: Mapping[str, str],
        call: Callable[[str], tuple[Any, Callable[[Any], str]]],
    ) -> None:
        self._variables = {**cloud_environment, **data}
        with pod_environment(self._variables):
            self._client, self._ask = call(data["AWS_REGION"])

    def ask(self) -> str:
        """Call AWS once."""
        with pod_environment(self._variables):
            return self._ask(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def identity(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> AwsEnv:
    """A pod that calls GetCallerIdentity."""
    return AwsEnv(data, cloud_environment=cloud_environment, call=aws_calls.identity)


def converse(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> AwsEnv:
    """A pod that sends signed calls to a model."""
    return AwsEnv(data, cloud_environment=cloud_environment, call=aws_calls.converse)


def call_identity(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One call of STS, by a pod started for it."""
    return once(IDENTITY, identity, data=data, cloud_environment=cloud_environment)


def call_converse(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt, by a pod started for it."""
    return once(CONVERSE, converse, data=data, cloud_environment=cloud_environment)
