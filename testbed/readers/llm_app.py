"""The pod of examples/llm-app: the proxy of `serve-credentials`, and the application beside it.

The application (`app.py`) is started once, with the environment of the Deployment. Only the proxy
has the Secret mounted. A call that fails ends the application.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.processes import ChildProcess, free_port
from testbed.readers.mounts import Mount
from testbed.readers.sidecars import Sidecar

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "llm-app"
_APP = Path(__file__).parents[2] / "examples" / NAME / "app.py"
# The kubelet starts the application when the proxy has a key. Here it waits for its first reader,
# with the SDK imported: a key of the demo is valid for seconds.
_CONTAINER = """\
import pathlib, runpy, sys, time
import openai
print()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.02)
runpy.run_path(sys.argv[1], run_name="__main__")
"""
_PAUSE_SECONDS = "0.2"
_ANSWER_SECONDS = 15.0
_POLL_SECONDS = 0.02


class LlmApp:
    """The application, and the latest line that it has printed."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        port = free_port()
        upstream = f"https://bedrock-runtime.{data['AWS_REGION']}.amazonaws.com"
        self._sidecar = Sidecar(
            data,
            arguments=(f"--proxy={upstream}", f"--proxy-port={port}"),
            environment=cloud_environment,
        )
        self._sidecar.wait_for_port(port)
        self._own = Mount({})
        self._gate = self._own.folder / "started"
        self._read_bytes = 0
        self._process = ChildProcess(
            NAME,
            [sys.executable, "-u", "-c", _CONTAINER, str(_APP), str(self._gate)],
            log=self._own.folder / "output",
            environment={
                "PATH": os.environ.get("PATH", ""),
                "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/openai/v1",
                "OPENAI_API_KEY": "placeholder",
                "PAUSE_SECONDS": _PAUSE_SECONDS,
            },
        )
        self._next_line()

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files of the proxy like the kubelet; the application learns nothing."""
        self._sidecar.mount.write(data)

    def ask(self) -> str:
        """The next answer that the application prints, or the latest of several.

        Raises:
            OSError: the application has ended, or prints nothing.
        """
        self._gate.touch()
        return self._next_line()

    def _next_line(self) -> str:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            with self._process.log.open("rb") as output:
                output.seek(self._read_bytes)
                lines, ended, _ = output.read().rpartition(b"\n")
            if self._process.exit_code is not None:
                raise OSError(f"the application has ended: {self._process.log_end(lines=1)}")
            if ended:
                self._read_bytes += len(lines) + len(ended)
                return lines.rpartition(b"\n")[2].decode().strip()
            time.sleep(_POLL_SECONDS)
        raise OSError(f"the application printed nothing for {_ANSWER_SECONDS:g} s")

    def close(self) -> None:
        """End both containers."""
        self._process.stop()
        self._sidecar.close()
        self._own.remove()
