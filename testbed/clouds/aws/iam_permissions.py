"""The permissions of an IAM call: its action, its resource and its context keys.

"Actions, resources, and condition keys for AWS Identity and Access Management", Service
Authorization Reference. [R] A user is named by its real ARN, including the path. A missing one has
no path: a policy for `user/keywright/*` then does not even allow to read it. [K]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testbed.clouds.aws.accounts import Accounts
    from testbed.clouds.aws.principals import Principal

_SERVICE_CREDENTIALS = "ServiceSpecificCredential"


@dataclass(frozen=True, slots=True)
class Needed:
    """One permission that a call needs."""

    action: str
    resource: str
    context: Mapping[str, str | tuple[str, ...]]


def needed(
    action: str, parameters: dict[str, str], *, caller: Principal, accounts: Accounts
) -> Iterator[Needed]:
    """All permissions of a call; tags on creation need the tagging action as well."""
    tags = dict(
        zip(
            query.members(parameters, "Tags", field="Key"),
            query.members(parameters, "Tags", field="Value"),
            strict=False,
        )
    )
    resource = _resource(action, parameters, caller=caller, accounts=accounts)
    context = _context(parameters, tags=tags)
    name = user_name(action, parameters, caller=caller)
    if name is not None and action != "CreateUser":
        context |= _resource_tags(accounts.user_tags(account=caller.account, name=name))
        boundary = accounts.user_boundary_arn(account=caller.account, name=name)
        if boundary is not None and "iam:PermissionsBoundary" not in context:
            context["iam:PermissionsBoundary"] = boundary
    yield Needed(f"iam:{action}", resource, context)
    if tags and action.startswith("Create"):
        yield Needed(f"iam:Tag{action.removeprefix('Create')}", resource, context)


def user_name(action: str, parameters: Mapping[str, str], *, caller: Principal) -> str | None:
    """The user of a call: the caller if the action allows the name to be omitted."""
    if "UserName" in parameters:
        return parameters["UserName"]
    implied = _SERVICE_CREDENTIALS in action or action in {"GetUser", "ListAccessKeys"}
    if implied and not caller.is_session and parameters.get("AllUsers") != "true":
        return caller.arn.rpartition("/")[2]
    return None


def _resource(
    action: str, parameters: Mapping[str, str], *, caller: Principal, accounts: Accounts
) -> str:
    prefix = f"arn:aws:iam::{caller.account}:"
    if action == "CreateUser":
        return f"{prefix}user{parameters.get('Path', '/')}{parameters.get('UserName', '')}"
    name = user_name(action, parameters, caller=caller)
    if name is not None:
        return accounts.user_arn(account=caller.account, name=name) or f"{prefix}user/{name}"
    if action == "ListUsers":
        return f"{prefix}user{parameters.get('PathPrefix', '/')}"
    if "RoleName" in parameters:
        return f"{prefix}role/{parameters['RoleName']}"
    if action == "CreatePolicy":
        path = parameters.get("Path", "/")
        return f"{prefix}policy{path}{parameters.get('PolicyName', '')}"
    return parameters.get("PolicyArn") or parameters.get("OpenIDConnectProviderArn") or "*"


def _context(
    parameters: Mapping[str, str], *, tags: Mapping[str, str]
) -> dict[str, str | tuple[str, ...]]:
    keys: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        keys["aws:TagKeys"] = tuple(tags)
    for name, key in (
        ("PolicyArn", "iam:PolicyARN"),
        ("PermissionsBoundary", "iam:PermissionsBoundary"),
        ("ServiceName", "iam:ServiceSpecificCredentialServiceName"),
        ("CredentialAgeDays", "iam:ServiceSpecificCredentialAgeDays"),
    ):
        if name in parameters:
            keys[key] = parameters[name]
    return keys


def _resource_tags(tags: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    return {
        f"{namespace}:ResourceTag/{key}": value
        for key, value in tags.items()
        for namespace in ("aws", "iam")
    }
