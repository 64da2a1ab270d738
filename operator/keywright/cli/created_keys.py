"""The key of a grant that `keywright create` prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

from keywright.api.aws_long_term_key import AwsService
from keywright.cli.created_objects import present
from keywright.cli.created_options import InputError

_SERVICES: Final = {
    "claude-platform-long-term": AwsService.CLAUDE_PLATFORM,
    "cloudwatch": AwsService.CLOUDWATCH,
    "cloudwatch-logs": AwsService.CLOUDWATCH_LOGS,
    "xray": AwsService.XRAY,
}
"""The kinds that are one field in the spec, `awsLongTermKey`."""
_ROTATION: Final = "7d"
_LONG_ROTATION: Final = "30d"


def key_of(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    """The field of the spec with the key; raises InputError if an option is missing."""
    if options.kind in _SERVICES:
        return {"awsLongTermKey": _aws_long_term(options, namespace)}
    field, make = _KINDS[options.kind]
    return {field: make(options, namespace)}


def _required(options: argparse.Namespace, name: str, what: str) -> str:
    text: str | None = getattr(options, name)
    if text is None:
        raise InputError(f"--{name.replace('_', '-')} is missing: name {what}")
    return text


def _with_duration(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    del namespace
    return present(duration=options.duration)


def _empty(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    del options, namespace
    return {}


def _bedrock_long_term(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    user = _user(options, namespace)
    return {"user": user, "rotateEvery": options.rotate_every or _ROTATION}


def _aws_long_term(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    service = _SERVICES[options.kind]
    workspace = None
    if service is AwsService.CLAUDE_PLATFORM:
        workspace = _required(options, "workspace", "the workspace of the key")
    own = present(workspaceId=workspace, logGroup=options.log_group, logStream=options.log_stream)
    return {"service": service.value, **own, **_bedrock_long_term(options, namespace)}


def _user(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    name = _required(options, "user", "the IAM user of the key")
    found = {"name": name.replace("{namespace}", namespace)}
    return found | ({"create": False} if options.existing_user else {})


def _claude_platform(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    workspace = _required(options, "workspace", "the workspace of the key")
    return {"workspaceId": workspace, **_with_duration(options, namespace)}


def _code_artifact(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    return {
        "domain": _required(options, "domain", "the domain of the repository"),
        "domainOwner": _required(options, "domain_owner", "the account of the domain"),
        "repository": _required(options, "repository", "the repository"),
        **_with_duration(options, namespace),
    }


def _api_gateway(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    del namespace
    plan = {"id": _required(options, "usage_plan", "the usage plan of the key")}
    return {"usagePlan": plan, "rotateEvery": options.rotate_every or _LONG_ROTATION}


def _model_studio(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    del namespace
    rotation = options.rotate_every or _LONG_ROTATION
    return present(workspaceId=options.workspace, rotateEvery=rotation)


def _model_studio_temporary(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    return present(workspaceId=options.workspace) | _with_duration(options, namespace)


_KINDS: Final[Mapping[str, tuple[str, Callable[[argparse.Namespace, str], dict[str, Any]]]]] = {
    "bedrock": ("bedrockShortTermKey", _with_duration),
    "bedrock-long-term": ("bedrockLongTermKey", _bedrock_long_term),
    "claude-platform": ("claudePlatformShortTermKey", _claude_platform),
    "codeartifact": ("codeArtifactToken", _code_artifact),
    "ecr": ("ecrToken", _empty),
    "session": ("sessionCredentials", _with_duration),
    "api-gateway": ("apiGatewayKey", _api_gateway),
    "model-studio": ("modelStudioKey", _model_studio),
    "model-studio-temporary": ("modelStudioTemporaryKey", _model_studio_temporary),
    "access-token": ("accessToken", _empty),
    "bearer": ("bearerToken", _empty),
}
"""The field of the spec of each other kind, and its content."""
