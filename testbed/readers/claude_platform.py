"""A pod that uses Anthropic's SDK for Claude Platform on AWS.

`AnthropicAWS` reads ANTHROPIC_AWS_API_KEY, ANTHROPIC_AWS_WORKSPACE_ID and AWS_REGION.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic import AnthropicAWS

from testbed.readers.answers import QUESTION, Answer, once, pod_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "anthropic-aws"
MODEL = "claude-sonnet-5-5"


class ClaudePlatform:
    """A pod started with this Secret."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        with pod_environment({**cloud_environment, **data}):
            self._client = AnthropicAWS(max_retries=0)

    def ask(self) -> str:
        """Send one prompt."""
        answer = self._client.messages.create(
            model=MODEL, max_tokens=64, messages=[{"role": "user", "content": QUESTION}]
        )
        return "".join(block.text for block in answer.content if block.type == "text")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def call(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt, by a pod started for it."""
    return once(NAME, ClaudePlatform, data=data, cloud_environment=cloud_environment)
