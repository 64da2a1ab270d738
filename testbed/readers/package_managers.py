"""Pods that download a package: with pip, and with npm, each as a program.

pip reads PIP_INDEX_URL, or the mounted pip.conf (PIP_CONFIG_FILE); npm reads the mounted .npmrc
(NPM_CONFIG_USERCONFIG). Both read them again at each run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from testbed.readers.answers import Answer, once
from testbed.readers.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.readers.answers import Connect

PIP, PIP_FILE, NPM = "pip", "pip-conf", "npm"
PACKAGE = "keywright-sample"
_PIP_CONF, _NPMRC = "pip.conf", ".npmrc"


class DownloadError(RuntimeError):
    """The program failed; the message is the program's own."""


class _PackageManager:
    """A pod with the Secret as its environment, and mounted."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._mount = Mount(data)
        self._cloud = {
            name: value
            for name, value in cloud_environment.items()
            if not name.startswith(("AWS_", "PIP_", "NPM_", "PYTHON"))
        }
        self._data = dict(data)

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files like the kubelet."""
        self._mount.write(data)

    def close(self) -> None:
        """Remove the mount."""
        self._mount.remove()

    def _run(self, command: Sequence[str], *, home: Path, variables: Mapping[str, str]) -> None:
        done = subprocess.run(
            command,
            cwd=home,
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(home),
                **self._cloud,
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DownloadError(done.stderr or done.stdout)


class Pip(_PackageManager):
    """pip with PIP_INDEX_URL; a pod is restarted for another one."""

    def ask(self) -> str:
        """Download the package, and return the module in it."""
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
            command += ["--disable-pip-version-check", "--no-input", "--retries=0", PACKAGE]
            self._run(
                [*command, "--dest", directory],
                home=home,
                variables={"PIP_CERT": self._cloud["SSL_CERT_FILE"], **self._settings()},
            )
            (wheel,) = home.glob("*.whl")
            with ZipFile(wheel) as archive:
                return archive.read(f"{PACKAGE.replace('-', '_')}.py").decode()

    def _settings(self) -> dict[str, str]:
        return {"PIP_INDEX_URL": self._data["PIP_INDEX_URL"]}


class PipFile(Pip):
    """pip with the mounted pip.conf; the pod runs on when the Secret changes."""

    def _settings(self) -> dict[str, str]:
        return {"PIP_CONFIG_FILE": str(self._mount.folder / _PIP_CONF)}


class Npm(_PackageManager):
    """npm with the mounted .npmrc; the pod runs on when the Secret changes."""

    def ask(self) -> str:
        """Install the package, and return the module in it."""
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            (home / "package.json").write_text("{}")
            command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
            self._run(
                command,
                home=home,
                variables={
                    "NPM_CONFIG_USERCONFIG": str(self._mount.folder / _NPMRC),
                    "NPM_CONFIG_CAFILE": self._cloud["SSL_CERT_FILE"],
                    "NPM_CONFIG_CACHE": str(home / "cache"),
                    "NPM_CONFIG_FETCH_RETRIES": "0",
                    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
                },
            )
            return (home / "node_modules" / PACKAGE / "index.js").read_text()


def has_npm() -> bool:
    """Whether this machine has npm."""
    return shutil.which("npm") is not None


def call(name: str, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One download, by a pod started for it."""
    return once(name, PROGRAMS[name], data=data, cloud_environment=cloud_environment)


PROGRAMS: Mapping[str, Connect] = {PIP: Pip, PIP_FILE: PipFile, NPM: Npm}
