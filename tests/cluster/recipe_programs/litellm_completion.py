"""One completion of LiteLLM; the arguments are on the standard input."""

import json
import sys

import litellm

litellm.suppress_debug_info = True
arguments = json.load(sys.stdin)["arguments"]
messages = [{"role": "user", "content": "Is the key good?"}]
completion = litellm.completion(messages=messages, num_retries=0, **arguments)
print(completion.choices[0].message.content)
