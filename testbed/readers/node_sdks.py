"""The Node SDKs of OpenAI and Anthropic, each in one process beside a proxy, with a placeholder.

npm installs them from the lock in `node/`, into the cache of this checkout.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from testbed.processes import die_with_parent
from testbed.readers.answers import MODEL, QUESTION
from testbed.readers.proxied import ANTHROPIC_MODEL, SLOW_QUESTION, Proxied

if TYPE_CHECKING:
    from collections.abc import Mapping

OPENAI, ANTHROPIC = "node-openai-behind-proxy", "node-anthropic-behind-proxy"
SLOW_OPENAI = "node-openai-slow-stream-behind-proxy"
_SOURCE = Path(__file__).parent / "node"
_LOCK = ("package.json", "package-lock.json")
_PROGRAM = "client.mjs"
_CACHE = Path(__file__).parents[2] / ".cache" / "node-sdks"
_END_SECONDS = 5.0


def are_available() -> bool:
    """Whether this machine has Node and npm."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def installed() -> Path:
    """The program, beside the SDKs of the lock; installed on the first call."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copyfile(_SOURCE / _PROGRAM, _CACHE / _PROGRAM)
        if any(_text(_CACHE / name) != _text(_SOURCE / name) for name in reversed(_LOCK)):
            shutil.copyfile(_SOURCE / _LOCK[0], _CACHE / _LOCK[0])
            shutil.copyfile(_SOURCE / _LOCK[1], _CACHE / ".draft-lock.json")
            (_CACHE / ".draft-lock.json").replace(_CACHE / _LOCK[1])
            command = ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
            try:
                subprocess.run(command, cwd=_CACHE, check=True)
            except BaseException:
                (_CACHE / _LOCK[1]).unlink()
                raise
    return _CACHE / _PROGRAM


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


class NodeSdk(Proxied):
    """One SDK that streams its answers."""

    sdk = "openai"
    model = MODEL
    question = QUESTION

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        super().__init__(data, cloud_environment=cloud_environment)
        self._process = subprocess.Popen(
            ["node", str(installed()), self.sdk, self.url],
            env={"PATH": os.environ.get("PATH", "")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  the reader has no threads
        )
        self._answer()

    @override
    def ask(self) -> str:
        """Send one prompt, and join what arrives; raises OSError with the error of the SDK."""
        assert self._process.stdin is not None
        request = {"model": self.model, "question": self.question}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        found = self._answer()
        if "answer" not in found:
            raise OSError(found.get("error", "no answer"))
        return found["answer"]

    def _answer(self) -> dict[str, str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise OSError(f"node ended with {self._process.wait()}")
        found: dict[str, str] = json.loads(line)
        return found

    @override
    def close(self) -> None:
        """End the client and the proxy."""
        self._process.terminate()
        self._process.communicate(timeout=_END_SECONDS)  # waits, and closes the pipes
        super().close()


class NodeAnthropic(NodeSdk):
    """Anthropic's SDK."""

    sdk = "anthropic"
    model = ANTHROPIC_MODEL


class SlowNodeOpenAI(NodeSdk):
    """OpenAI's SDK, with streams that outlast a renewal."""

    question = SLOW_QUESTION
