"""One completion of LiteLLM; the arguments are on the standard input.

With "modules", the path of a folder: its module `mounted_secret` is the custom secret manager, as
LiteLLM's proxy sets it. With "renewed", a file and its next text: a second completion after that.
"""

import json
import sys
from pathlib import Path

import litellm
from litellm.types.secret_managers.main import KeyManagementSystem


def complete(arguments: dict[str, str]) -> str:
    """The answer of the model."""
    messages = [{"role": "user", "content": "Is the key good?"}]
    completion = litellm.completion(messages=messages, num_retries=0, **arguments)
    return str(completion.choices[0].message.content)


litellm.suppress_debug_info = True
requested = json.load(sys.stdin)
if "modules" in requested:
    sys.path.insert(0, requested["modules"])
    import mounted_secret

    mounted_secret.FOLDER = Path(requested["folder"])
    litellm.secret_manager_client = mounted_secret.MountedSecret()
    litellm._key_management_system = KeyManagementSystem.CUSTOM
print(complete(requested["arguments"]))
if "renewed" in requested:
    file, text = requested["renewed"]
    Path(file).write_text(text)
    try:
        print(complete(requested["arguments"]))
    except litellm.exceptions.PermissionDeniedError as error:
        print(type(error).__name__)
