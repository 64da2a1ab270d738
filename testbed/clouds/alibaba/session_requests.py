"""The parameters of a session request that both AssumeRole actions share.

Bounds are those of "AssumeRole" and "AssumeRoleWithOIDC" in the documentation of STS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.clouds.alibaba import ram_policies, refusals
from testbed.clouds.conditions import MalformedPolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.policies import Policy

SHORTEST_SECONDS, DEFAULT_SECONDS = 900, 3600
_ROLE_ARN = re.compile(r"acs:ram::\d{16}:role/[A-Za-z0-9.-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9.@_-]{2,64}")
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_POLICY_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A request whose parameters have the required format; None means absent."""

    role_arn: str
    name: str
    duration_seconds: int
    policy: Policy | None
    external_id: str | None


def parse(parameters: Mapping[str, str]) -> SessionRequest:
    """Parse a request; raises CloudError for the first invalid parameter."""
    role_arn = _matching(parameters, "RoleArn", _ROLE_ARN)
    name = _matching(parameters, "RoleSessionName", _NAME)
    external_id = None
    if "ExternalId" in parameters:
        external_id = _matching(parameters, "ExternalId", _EXTERNAL_ID)
    return SessionRequest(
        role_arn=role_arn,
        name=name,
        duration_seconds=duration(parameters),
        policy=_policy(parameters.get("Policy")),
        external_id=external_id,
    )


def duration(parameters: Mapping[str, str]) -> int:
    """The duration in seconds; raises CloudError below 900 or if it is not a number."""
    text = parameters.get("DurationSeconds", str(DEFAULT_SECONDS))
    if not text.isdigit() or int(text) < SHORTEST_SECONDS:
        raise refusals.duration(DEFAULT_SECONDS)
    return int(text)


def _matching(parameters: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = parameters.get(name, "")
    if not value:
        raise refusals.missing_parameter(name)
    if not form.fullmatch(value):
        raise refusals.invalid_parameter(name)
    return value


def _policy(document: str | None) -> Policy | None:
    if not document:
        return None
    if len(document) > _POLICY_CHARACTERS:
        raise refusals.policy_size(_POLICY_CHARACTERS)
    try:
        return ram_policies.parse(document)
    except MalformedPolicyError as error:
        raise refusals.policy_grammar() from error
