"""Check the options of `keywright create` that schemas of manifests do not check."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Final

from keywright.api.grant import WorkloadKind
from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MAX_LABEL: Final = 63
_MAX_SUBDOMAIN: Final = 253
_OF_KINDS: Final = {
    "duration": ("bedrock", "session"),
    "rotate_every": ("bedrock-long-term", "api-gateway"),
    "user": ("bedrock-long-term",),
    "usage_plan": ("api-gateway",),
}
"""The options of a key, each with the kinds of key that have it."""


class InputError(CommandError):
    """Options that make no valid manifest."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=ExitCode.USAGE)


def check_options(options: argparse.Namespace, *, operator: tuple[str, str]) -> None:
    """Check names, repetitions, and options that have no effect.

    Raises:
        InputError: the API server would refuse a name, or an option has no effect.
    """
    for option, namespace in [*_namespaces(options), ("--operator", operator[0])]:
        if len(namespace) > _MAX_LABEL or not _LABEL.fullmatch(namespace):
            raise InputError(
                f"{option} {namespace}: a namespace has at most {_MAX_LABEL} lower-case letters,"
                " digits and hyphens, with a letter or digit at both ends"
            )
    for option, name in [*_names(options), ("--operator", operator[1])]:
        if len(name) > _MAX_SUBDOMAIN or not all(map(_LABEL.fullmatch, name.split("."))):
            raise InputError(
                f"{option} {name}: a name has at most {_MAX_SUBDOMAIN} lower-case letters, digits,"
                " hyphens and dots, with a letter or digit at both ends"
            )
    _refuse_repeated("NAMESPACE", getattr(options, "namespaces", ()))
    _refuse_repeated("--allow-namespace", getattr(options, "allowed", ()))
    for option, reason in _without_effect(options):
        if getattr(options, option) is not None:
            raise InputError(f"--{option.replace('_', '-')} has no effect {reason}: remove it")


def restarted(options: argparse.Namespace) -> list[tuple[WorkloadKind, str]]:
    """The workloads to restart."""
    targets = [_target(text) for text in options.restart]
    _refuse_repeated("--restart", [f"{kind}/{name}" for kind, name in targets])
    return targets


def _namespaces(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    yield from (("NAMESPACE", each) for each in getattr(options, "namespaces", ()))
    yield from (("--allow-namespace", each) for each in getattr(options, "allowed", ()))
    for option in ("namespace", "source_namespace"):
        value = getattr(options, option, None)
        if value is not None:
            yield f"--{option.replace('_', '-')}", value


def _names(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if options.part != "tenant":
        yield "NAME", options.name
    for option in ("source", "grant", "service_account", "access_key_secret", "secret_name"):
        value = getattr(options, option, None)
        if value is not None:
            yield f"--{option.replace('_', '-')}", value
    if hasattr(options, "restart"):
        yield from (("--restart", name) for _, name in restarted(options))


def _refuse_repeated(option: str, values: Sequence[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise InputError(f"{option} {value} is given twice: remove one of the two")


def _without_effect(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The options that nothing reads beside the others, each with the reason."""
    if options.part != "grant":
        yield from _without_effect_on_source(options)
    if options.part != "source":
        for option, kinds in _OF_KINDS.items():
            if options.kind not in kinds:
                yield option, f"on --kind {options.kind}"


def _without_effect_on_source(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if options.cloud == "aws":
        yield "oidc_provider_arn", "on --cloud aws"
    if options.access_key_secret is None:
        return
    unused = ["oidc_provider_arn", "service_account"]
    if options.cloud == "aws":
        unused += ["role_arn", "session_duration"]
    elif options.role_arn is None:
        unused.append("session_duration")
    yield from ((option, "beside --access-key-secret") for option in unused)


def _target(text: str) -> tuple[WorkloadKind, str]:
    kind, slash, name = text.partition("/")
    found = next((each for each in WorkloadKind if each.value.lower() == kind.lower()), None)
    if found is None or not slash or not name:
        kinds = ", ".join(WorkloadKind)
        raise InputError(f"--restart {text}: write it as KIND/NAME, with one of {kinds}")
    return found, name
