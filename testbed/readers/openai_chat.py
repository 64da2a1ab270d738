"""A pod that uses the openai SDK with Bedrock's runtime, or with Mantle.

The SDK reads OPENAI_API_KEY and OPENAI_BASE_URL; a Secret with only Bedrock's variables is used as
a pod would do it explicitly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import OpenAI

from testbed.readers.answers import MODEL, QUESTION, Answer, once, pod_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "openai-chat"


class OpenAIChat:
    """A pod started with this Secret."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        variables = dict(data)
        if "OPENAI_API_KEY" not in variables:
            variables["OPENAI_API_KEY"] = data["AWS_BEARER_TOKEN_BEDROCK"]
        if "OPENAI_BASE_URL" not in variables:
            host = f"bedrock-runtime.{data['AWS_REGION']}.amazonaws.com"
            variables["OPENAI_BASE_URL"] = f"https://{host}/openai/v1"
        self._model = _model(variables["OPENAI_BASE_URL"])
        with pod_environment({**cloud_environment, **variables}):
            self._client = OpenAI(max_retries=0)

    def ask(self) -> str:
        """Send one prompt."""
        answer = self._client.chat.completions.create(
            model=self._model, messages=[{"role": "user", "content": QUESTION}]
        )
        return answer.choices[0].message.content or ""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _model(base_url: str) -> str:
    """A model at this address: Mantle's differ from the runtime's, and by prefix."""
    if "//bedrock-mantle." not in base_url:
        return MODEL
    return "openai.gpt-5.4" if base_url.endswith("/openai/v1") else "openai.gpt-oss-20b"


def call(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt, by a pod started for it."""
    return once(NAME, OpenAIChat, data=data, cloud_environment=cloud_environment)
