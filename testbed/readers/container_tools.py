"""A pod that pulls an image with the login in `.dockerconfigjson`.

crane, of Google's go-containerregistry, reads the file as `config.json` like Kaniko, ko and Tekton,
which use the same library, and follows the challenge of the registry: Basic, or a bearer token of
another host. It pulls the manifest and the configuration of the image; layers are alike.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from testbed.go_tools import TOOLS, go_tool
from testbed.readers.answers import Answer, once
from testbed.readers.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "crane"
IMAGE_VARIABLE = "IMAGE"
_ENTRY, _FILE = ".dockerconfigjson", "config.json"


class PullError(RuntimeError):
    """The pull failed; the message is the program's own."""


class Puller:
    """A pod with the entry mounted as `config.json`, which pulls the image in its environment."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._program = go_tool(NAME, module=TOOLS / NAME)
        self._mount = Mount({_FILE: data[_ENTRY]})
        self._image = cloud_environment[IMAGE_VARIABLE]
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._mount.folder),
            "DOCKER_CONFIG": str(self._mount.folder),
            **{name: cloud_environment[name] for name in ("HTTPS_PROXY", "SSL_CERT_FILE")},
        }

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the file like the kubelet."""
        self._mount.write({_FILE: data[_ENTRY]})

    def ask(self) -> str:
        """Pull manifest and configuration, and return the latter."""
        done = subprocess.run(
            [self._program, "config", self._image],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PullError(done.stderr)
        return done.stdout

    def close(self) -> None:
        """Remove the mount."""
        self._mount.remove()


def call(data: Mapping[str, str], *, image: str, cloud_environment: Mapping[str, str]) -> Answer:
    """One pull, by a pod started for it."""
    environment = {**cloud_environment, IMAGE_VARIABLE: image}
    return once(NAME, Puller, data=data, cloud_environment=environment)
