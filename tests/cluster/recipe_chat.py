"""A chat completion with the key of a recipe, by the openai SDK."""

from __future__ import annotations

from openai import OpenAI

from testbed.readers.answers import QUESTION, pod_environment
from tests.cluster.recipe_stage import Stage


def chat(stage: Stage, *, base_url: str, api_key: str, model: str) -> str:
    """The response of the model."""
    with pod_environment(stage.client_environment()):
        client = OpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        try:
            completion = client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": QUESTION}]
            )
        finally:
            client.close()
    return completion.choices[0].message.content or ""
