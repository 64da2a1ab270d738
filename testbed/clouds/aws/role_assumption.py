"""Whether a user or a session may assume a role: its own policies and the role's trust policy.

AWS allows a principal of the role's own account that the trust policy names directly without a
policy of its own; here both sides must always allow it, so that what works here also works with a
role in another account.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from testbed.clouds.aws import refusals, session_requests
from testbed.clouds.errors import CloudError
from testbed.clouds.policies import Effect

if TYPE_CHECKING:
    from testbed.clouds.aws.accounts import Role
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.aws.session_requests import SessionRequest

_CHAINED_SECONDS = 3600


def inherit(request: SessionRequest, *, caller: Principal) -> SessionRequest:
    """The request with what the caller's session passes on: transitive tags, source identity.

    "Passing session tags in AWS STS", "Monitor and control actions taken with assumed roles", IAM
    user guide: neither can be changed on the way. [R]
    """
    inherited = {key: caller.tags[key] for key in caller.transitive_tag_keys}
    folded = {key.lower() for key in inherited}
    if any(key.lower() in folded for key in request.tags):
        raise refusals.transitive_tag_conflict()
    source_identity = caller.source_identity or request.source_identity
    if request.source_identity not in {None, source_identity}:
        raise refusals.source_identity_already_set()
    tags = {**request.tags, **inherited}
    session_requests.check_tags_fit(tags)
    return dataclasses.replace(
        request,
        tags=tags,
        transitive_tag_keys=request.transitive_tag_keys | caller.transitive_tag_keys,
        source_identity=source_identity,
    )


def check(
    request: SessionRequest,
    *,
    role: Role | None,
    caller: Principal,
    authentication: Authentication,
    source_ip: str,
) -> Role:
    """The role, if caller and role allow everything that the request needs; raises CloudError.

    Tags need sts:TagSession and a source identity sts:SetSourceIdentity, also if they are only
    passed on along the chain. [R]
    """
    actions = ["sts:AssumeRole"]
    if request.tags:
        actions.append("sts:TagSession")
    if request.source_identity is not None:
        actions.append("sts:SetSourceIdentity")
    more = _keys(request)
    for action in actions:
        denied = refusals.may_not_assume(
            principal=caller.arn, action=action, role_arn=request.role_arn
        )
        try:
            authentication.authorize(
                caller, action=action, resource=request.role_arn, source_ip=source_ip, context=more
            )
        except CloudError as error:
            raise denied from error
        context = authentication.context(caller, source_ip=source_ip, more=more)
        if role is None or Effect.ALLOW is not role.trust.effect(
            action=action,
            resource=role.arn,
            context=context,
            trusted=("AWS", caller.names()),
        ):
            raise denied
    assert role is not None
    if caller.is_session and request.duration_seconds > _CHAINED_SECONDS:
        raise refusals.chained_too_long()
    if request.duration_seconds > role.max_session_seconds:
        raise refusals.duration_exceeds_maximum()
    return role


def _keys(request: SessionRequest) -> dict[str, str | tuple[str, ...]]:
    """The context keys from the parameters; tag keys are matched case-insensitively."""
    keys: dict[str, str | tuple[str, ...]] = {
        "sts:RoleSessionName": request.name,
        "sts:DurationSeconds": str(request.duration_seconds),
    }
    if request.external_id is not None:
        keys["sts:ExternalId"] = request.external_id
    if request.source_identity is not None:
        keys["sts:SourceIdentity"] = request.source_identity
    if request.tags:
        keys["aws:TagKeys"] = tuple(request.tags)
        keys.update({f"aws:RequestTag/{key}": value for key, value in request.tags.items()})
    if request.transitive_tag_keys:
        keys["sts:TransitiveTagKeys"] = tuple(sorted(request.transitive_tag_keys))
    return keys
