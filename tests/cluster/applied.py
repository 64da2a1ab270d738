"""What `kubectl apply` says of many resources: each in a file of its own, all given at once."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.commands import KUBECTL

# Each answer names either the resource or its file; both have its number. A message may go on.
_NUMBER = re.compile(r"\bresource-(\d+)\b")


@dataclass(frozen=True, slots=True)
class Told:
    """What kubectl says of one resource: that it would be created, or why it is refused."""

    let_in: bool
    words: str


def dry_runs(
    bodies: Sequence[Mapping[str, Any]], *, kubeconfig: Path, directory: Path
) -> list[Told]:
    """What is said of each, in their order; the server checks all and nothing is left behind.

    Raises:
        AssertionError: kubectl said something of no resource or nothing of one.
    """
    for number, body in enumerate(bodies):
        named = {**body, "metadata": {"name": f"resource-{number}", "namespace": "default"}}
        (directory / f"resource-{number}.yaml").write_text(yaml.safe_dump(named))
    done = subprocess.run(
        [
            *(KUBECTL, "apply", "--dry-run=server", "--namespace=default"),
            *(f"--kubeconfig={kubeconfig}", "--filename", directory),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    let_in, refused = _by_number(done.stdout), _by_number(done.stderr)
    assert not let_in.keys() & refused.keys(), "let in and refused"
    assert let_in.keys() | refused.keys() == set(range(len(bodies))), done.stderr
    return [
        Told(let_in=number in let_in, words=let_in.get(number) or refused[number])
        for number in range(len(bodies))
    ]


def _by_number(printed: str) -> dict[int, str]:
    """The lines about each resource: one that names it, and those behind it that name none."""
    found: dict[int, str] = {}
    number: int | None = None
    for line in printed.splitlines():
        named = _NUMBER.search(line)
        number = int(named[1]) if named else number
        assert number is not None, line
        found[number] = f"{found.get(number, '')}{line}\n"
    return found
