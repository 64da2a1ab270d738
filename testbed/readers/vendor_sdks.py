"""Pods that use the SDKs of Anthropic and OpenAI with the APIs of the vendors themselves.

Each SDK reads its own variables only: ANTHROPIC_AUTH_TOKEN and ANTHROPIC_CUSTOM_HEADERS, or
OPENAI_API_KEY and OPENAI_BASE_URL, which is also how OpenRouter is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic import Anthropic
from openai import OpenAI

from testbed.readers.answers import QUESTION, Answer, once, pod_environment
from testbed.readers.clients import ANTHROPIC_API, OPENAI_API

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.readers.answers import Connect

ANTHROPIC_MODEL = "claude-sonnet-5-5"
_MODELS = {"openrouter.ai": "openai/gpt-6.1", "api.openai.com": "gpt-6.1"}


class AnthropicApi:
    """A pod started with this Secret."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        with pod_environment({**cloud_environment, **data}):
            self._client = Anthropic(max_retries=0)

    def ask(self) -> str:
        """Send one prompt."""
        answer = self._client.messages.create(
            model=ANTHROPIC_MODEL,
            max_tokens=64,
            messages=[{"role": "user", "content": QUESTION}],
        )
        return "".join(block.text for block in answer.content if block.type == "text")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class OpenAiApi:
    """A pod started with this Secret; its base URL says whose models there are."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        with pod_environment({**cloud_environment, **data}):
            self._client = OpenAI(max_retries=0)

    def ask(self) -> str:
        """Send one prompt."""
        answer = self._client.chat.completions.create(
            model=_MODELS[self._client.base_url.host],
            messages=[{"role": "user", "content": QUESTION}],
        )
        return answer.choices[0].message.content or ""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


SDKS: Mapping[str, Connect] = {ANTHROPIC_API: AnthropicApi, OPENAI_API: OpenAiApi}


def call(name: str, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt, by a pod started for it."""
    return once(name, SDKS[name], data=data, cloud_environment=cloud_environment)
