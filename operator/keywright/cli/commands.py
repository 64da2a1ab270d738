"""The commands of the program, in the order of the help screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, one line of help, and the module that implements it."""

    name: str
    summary: str
    module: str


COMMANDS = (
    Command("lint", "find mistakes in manifests before they are applied", "keywright.cli.lint"),
    Command(
        "render",
        "print the Secrets of grants with placeholders, and who reads them",
        "keywright.cli.render",
    ),
    Command("create", "print sources, grants or tenants as YAML", "keywright.cli.create"),
    Command("explain", "print the least policies that sources need", "keywright.cli.explain"),
    Command("run", "run the operator", "keywright.cli.run"),
    Command(
        "serve-credentials",
        "serve mounted credentials to the SDKs of the same pod, on the loopback address",
        "keywright.cli.serve_credentials",
    ),
)
