"""The OpenAI SDK, whose key is a callable that reads the mounted file."""

import os
from pathlib import Path

from openai import OpenAI

from tests.kind.programs.reported import call_each_second

key = Path("/var/run/keywright/OPENAI_API_KEY")
client = OpenAI(api_key=key.read_text, base_url=os.environ["OPENAI_BASE_URL"], max_retries=0)


def call() -> str:
    """The credential that a call was made with."""
    used = key.read_text()
    client.chat.completions.create(
        model="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": "Is the key good?"}]
    )
    return used


call_each_second(call)
