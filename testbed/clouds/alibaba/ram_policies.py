"""Policies of RAM: grammar and evaluation are those of IAM except for the version.

"Policy structure and syntax" and "Policy evaluation process" of the RAM documentation: an explicit
deny wins, an allow is required, and a session policy restricts the role's permissions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testbed.clouds.conditions import MalformedPolicyError
from testbed.clouds.policies import Effect, Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERSION = "1"
EVERYTHING = Policy.parse(
    '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
)


def parse(document: str, *, trust: bool = False) -> Policy:
    """Parse JSON text to a policy; `trust` for a role's trust policy.

    Raises:
        MalformedPolicyError: with the error.
    """
    policy = Policy.parse(document, trust=trust)
    if json.loads(document).get("Version") != VERSION:
        raise MalformedPolicyError(f'The Version of a policy is "{VERSION}".')
    return policy


def allowed(
    *,
    identity: Iterable[Policy],
    session: Policy | None,
    action: str,
    resource: str,
    context: Mapping[str, tuple[str, ...]],
) -> bool:
    """Whether the policies allow the action on the resource."""
    groups = [tuple(identity)] + ([] if session is None else [(session,)])
    effects = [
        {policy.effect(action=action, resource=resource, context=context) for policy in group}
        for group in groups
    ]
    return all(Effect.ALLOW in found and Effect.DENY not in found for found in effects)
