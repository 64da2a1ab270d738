"""The guides in docs/: their commands, as a user runs them, and the resources that they show."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.world import EXAMPLES, ROOT, World
from tests.cluster.commands import KUBECTL

COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_RESOURCES = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(document: str) -> list[str]:
    """The shell commands of a document, in their order."""
    return COMMANDS.findall((ROOT / document).read_text())


def run(command: str, world: World, **variables: str) -> str:
    """As a user with that kubeconfig would, from the project's root; what it prints."""
    return _run(command, world, programs=[KUBECTL], variables=variables)


def run_helm(command: str, world: World, *, program: Path) -> str:
    """The same, where Helm is installed."""
    return _run(command, world, programs=[KUBECTL, program], variables={})


def _run(
    command: str, world: World, *, programs: Sequence[Path], variables: Mapping[str, str]
) -> str:
    path = os.pathsep.join((*(str(program.parent) for program in programs), os.environ["PATH"]))
    environment = {
        "PATH": path,
        "KUBECONFIG": str(world.cluster.kubeconfig),
        "HOME": "/nonexistent",
        **variables,
    }
    done = subprocess.run(
        ["sh", "-euc", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{shlex.quote(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def resources_of_no_example(document: str) -> list[str]:
    """What a guide shows that is no file of an example, word for word; it must show something."""
    files = {file.read_text() for file in EXAMPLES.rglob("*.yaml")}
    shown = _RESOURCES.findall((ROOT / document).read_text())
    assert shown, document
    return [snippet for snippet in shown if snippet not in files]
