"""The commands of the program, in the order of the help screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, one line of help, and the module that implements it.

    A command without a line of help is for programs, and not listed.
    """

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
    Command(
        "explain", "print the least-privilege policies that sources need", "keywright.cli.explain"
    ),
    Command(
        "check",
        "check the cluster, the operator, and all sources and grants",
        "keywright.cli.check",
    ),
    Command("status", "show grants, what happens next, and who reads them", "keywright.cli.status"),
    Command("renew", "request new keys now", "keywright.cli.renew"),
    Command(
        "suspend",
        "stop renewals of grants; their keys stay until they expire",
        "keywright.cli.suspend",
    ),
    Command("resume", "continue renewals of suspended grants", "keywright.cli.resume"),
    Command(
        "doctor",
        "find the fault in the chain from a source to a working key",
        "keywright.cli.doctor",
    ),
    Command(
        "audit",
        "find and remove keys, users and usage plans in a cloud that no grant owns",
        "keywright.cli.audit",
    ),
    Command("env", "run a command with the values of a grant's Secret", "keywright.cli.env"),
    Command(
        "proxy",
        "serve a loopback address that adds the current key to each request",
        "keywright.cli.proxy",
    ),
    Command(
        "version",
        "print the versions of this program, the operator and the CRDs",
        "keywright.cli.version_command",
    ),
    Command("completion", "print the completion script of a shell", "keywright.cli.completion"),
    Command("__complete", "", "keywright.cli.complete"),
    Command("run", "run the operator", "keywright.cli.run"),
    Command(
        "serve-credentials",
        "serve mounted credentials to the SDKs of the same pod, on the loopback address",
        "keywright.cli.serve_credentials",
    ),
)
