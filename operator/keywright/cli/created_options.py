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
USER_KINDS: Final = (
    *("bedrock-long-term", "claude-platform-long-term", "cloudwatch", "cloudwatch-logs"),
    "xray",
)
"""The kinds of key that belong to an IAM user."""
WORKSPACE_KINDS: Final = (
    *("claude-platform", "claude-platform-long-term"),
    *("model-studio", "model-studio-temporary"),
)
"""The kinds of key that are for a workspace."""
_OF_KINDS: Final = {
    "duration": (
        *("bedrock", "claude-platform", "codeartifact", "session"),
        "model-studio-temporary",
    ),
    "rotate_every": (*USER_KINDS, "api-gateway", "model-studio"),
    "user": USER_KINDS,
    "existing_user": USER_KINDS,
    "usage_plan": ("api-gateway",),
    "log_group": ("cloudwatch-logs",),
    "log_stream": ("cloudwatch-logs",),
    "domain": ("codeartifact",),
    "domain_owner": ("codeartifact",),
    "repository": ("codeartifact",),
}
"""The options of a key, each with the kinds of key that have it."""
_EXCHANGED: Final = {
    "anthropic": ("federation_rule", "organization", "vendor_account", "workspace"),
    "openai": ("identity_provider", "vendor_account"),
    "openrouter": ("federation_policy",),
    "generic": ("endpoint", "parameters"),
}
"""The options of the vendors that exchange tokens."""
_OF_EXCHANGES: Final = frozenset(
    {"token_expiration", "audience", *(each for found in _EXCHANGED.values() for each in found)}
) - {"workspace"}
_OF_SOURCES: Final = _OF_EXCHANGES | {
    *("region", "role_arn", "service_account", "oidc_provider_arn", "access_key_secret"),
    *("bearer_secret", "certificate_secret", "trust_anchor_arn", "profile_arn", "roles"),
    "session_duration",
}
_FLAGS: Final = {"roles": "assume-role", "parameters": "parameter"}


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
        if getattr(options, option) not in (None, []):
            flag = _FLAGS.get(option, option.replace("_", "-"))
            raise InputError(f"--{flag} has no effect {reason}: remove it")


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
    for option in (
        *("source", "grant", "service_account", "access_key_secret", "bearer_secret"),
        *("certificate_secret", "secret_name"),
    ):
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
        used, reason = _used_by_source(options)
        yield from ((option, reason) for option in sorted(_OF_SOURCES - used))
        if options.part == "source" and "workspace" not in used:
            yield "workspace", "without --exchange anthropic"
    if options.part != "source":
        for option, kinds in _OF_KINDS.items():
            if options.kind not in kinds:
                yield option, f"on --kind {options.kind}"
        has_workspace = options.kind in WORKSPACE_KINDS
        if not has_workspace and getattr(options, "exchange", None) != "anthropic":
            yield "workspace", f"on --kind {options.kind}"


def _used_by_source(options: argparse.Namespace) -> tuple[set[str], str]:
    """The options that the chosen identity has, and why the others have no effect."""
    if options.exchange is not None:
        if options.cloud != "aws":
            raise InputError("--cloud has no effect beside --exchange: remove one of the two")
        own = _EXCHANGED[options.exchange]
        used = {"service_account", "token_expiration", "audience", *own}
        return used, f"beside --exchange {options.exchange}"
    is_aws = options.cloud == "aws"
    if options.bearer_secret is not None and not is_aws:
        return {"region", "bearer_secret"}, "beside --bearer-secret"
    used = {"region", "roles"}
    if options.access_key_secret is not None:
        used.add("access_key_secret")
        if not is_aws:
            used |= {"role_arn"} if options.role_arn is None else {"role_arn", "session_duration"}
        return used, "beside --access-key-secret"
    used |= {"role_arn", "session_duration"}
    if options.certificate_secret is not None and is_aws:
        used |= {"certificate_secret", "trust_anchor_arn", "profile_arn"}
        return used, "beside --certificate-secret"
    used.add("service_account")
    return used if is_aws else {*used, "oidc_provider_arn"}, _without_exchange(options)


def _without_exchange(options: argparse.Namespace) -> str:
    given = any(getattr(options, each) not in (None, []) for each in _OF_EXCHANGES)
    return "without --exchange" if given else f"on --cloud {options.cloud}"


def _target(text: str) -> tuple[WorkloadKind, str]:
    kind, slash, name = text.partition("/")
    found = next((each for each in WorkloadKind if each.value.lower() == kind.lower()), None)
    if found is None or not slash or not name:
        kinds = ", ".join(WorkloadKind)
        raise InputError(f"--restart {text}: write it as KIND/NAME, with one of {kinds}")
    return found, name
