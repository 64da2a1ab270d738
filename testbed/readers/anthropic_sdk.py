"""Anthropic's Python SDK behind the proxy: one message, or its stream; a placeholder as its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic import Anthropic
from typing_extensions import override

from testbed.readers.answers import pod_environment
from testbed.readers.proxied import ANTHROPIC_MODEL, SLOW_QUESTION, Proxied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anthropic.types import MessageParam

_MOST_TOKENS = 64


class ProxiedAnthropic(Proxied):
    """The SDK, with the runtime's path for Anthropic's API."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        super().__init__(data, cloud_environment=cloud_environment)
        with pod_environment({}):
            self._client = Anthropic(
                base_url=f"{self.url}/anthropic", api_key="placeholder", max_retries=0
            )

    @property
    def messages(self) -> list[MessageParam]:
        """The question."""
        return [{"role": "user", "content": self.question}]

    @override
    def ask(self) -> str:
        """Send one prompt."""
        answer = self._client.messages.create(
            model=ANTHROPIC_MODEL, max_tokens=_MOST_TOKENS, messages=self.messages
        )
        return "".join(block.text for block in answer.content if block.type == "text")

    @override
    def close(self) -> None:
        """End the client and the proxy."""
        self._client.close()
        super().close()


class ProxiedSlowAnthropic(ProxiedAnthropic):
    """The SDK, with streams that outlast a renewal."""

    question = SLOW_QUESTION

    @override
    def ask(self) -> str:
        """Send one prompt, and join what arrives."""
        with self._client.messages.stream(
            model=ANTHROPIC_MODEL, max_tokens=_MOST_TOKENS, messages=self.messages
        ) as stream:
            return stream.get_final_text()
