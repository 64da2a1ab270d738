"""An application that calls Amazon Bedrock with the OpenAI SDK, and reads its settings once.

OPENAI_BASE_URL is the address of the proxy in its pod, and OPENAI_API_KEY a placeholder. It never
restarts, and knows nothing of keys: the proxy adds the current one to each request.
"""

import os
import time

from openai import OpenAI

MODEL = os.environ.get("MODEL", "amazon.nova-lite-v1:0")
QUESTION = os.environ.get("QUESTION", "Is the key good?")
PAUSE_SECONDS = float(os.environ.get("PAUSE_SECONDS", "1"))


def main() -> None:
    """Ask again and again, and print each answer as it arrives."""
    # Without retries: the first call that fails ends the application.
    client = OpenAI(max_retries=0)
    while True:
        events = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
        )
        for event in events:
            for choice in event.choices:
                print(choice.delta.content or "", end="", flush=True)
        print(flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
