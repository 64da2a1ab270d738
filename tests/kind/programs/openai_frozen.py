"""The OpenAI SDK with the address of a proxy and a placeholder, which are read once; it streams."""

from openai import OpenAI

from tests.kind.programs.reported import call_each_second

# OPENAI_BASE_URL and OPENAI_API_KEY are those of the Deployment in examples/llm-app.
client = OpenAI(max_retries=0)


def call() -> str:
    """The credential of the client: always the placeholder."""
    events = client.chat.completions.create(
        model="amazon.nova-lite-v1:0",
        messages=[{"role": "user", "content": "Is the key good?"}],
        stream=True,
    )
    said = "".join(choice.delta.content or "" for event in events for choice in event.choices)
    if "Is the key good?" not in said:
        raise ValueError(said)
    return client.api_key


call_each_second(call)
