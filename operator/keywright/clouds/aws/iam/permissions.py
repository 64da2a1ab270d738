"""What the identity of a source needs for keys that belong to IAM users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from keywright.api.user_key import UserKey
from keywright.clouds.aws.iam.user import DEFAULT_PATH, managed_policies
from keywright.clouds.aws.place import Place
from keywright.clouds.policy_statements import statement


def permissions(keys: Sequence[tuple[UserKey, Place]]) -> Iterator[dict[str, Any]]:
    """The least for creation, edits, rotation and deletion; users of one path are one group."""
    groups: dict[tuple[str, str, str], list[UserKey]] = {}
    places: dict[tuple[str, str, str], Place] = {}
    for key, place in keys:
        boundary = key.user.permissions_boundary or ""
        group = (str(key.user.create), key.user.path or DEFAULT_PATH, boundary)
        groups.setdefault(group, []).append(key)
        places[group] = place
    for group, members in groups.items():
        yield from _of_users(members, places[group])


def _of_users(keys: Sequence[UserKey], place: Place) -> Iterator[dict[str, Any]]:
    if not keys[0].user.create:
        yield from _existing_users(keys, place)
        return
    path = keys[0].user.path or DEFAULT_PATH
    users = place.arn("iam", f"user{path}*")
    boundary = keys[0].user.permissions_boundary
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else None
    yield statement(
        "ReadUsers",
        [
            "iam:GetUser",
            "iam:GetUserPolicy",
            "iam:ListUsers",
            "iam:ListUserPolicies",
            "iam:ListAttachedUserPolicies",
            "iam:ListServiceSpecificCredentials",
        ],
        users,
    )
    create = ["iam:CreateUser", "iam:PutUserPolicy"]
    if boundary:
        create.append("iam:PutUserPermissionsBoundary")
    yield statement(
        "CreateUsersWithTheBoundary" if boundary else "CreateUsers",
        create,
        users,
        condition=bounded,
    )
    arns = sorted({a for key in keys for a in managed_policies(key, partition=place.partition)})
    if arns:
        condition = {"ArnEquals": {"iam:PolicyARN": arns[0] if len(arns) == 1 else arns}}
        yield statement(
            "AttachListedPoliciesOnly",
            ["iam:AttachUserPolicy"],
            users,
            condition={**condition, **(bounded or {})},
        )
    yield statement(
        "TagAndDeleteUsers",
        [
            "iam:TagUser",
            "iam:UntagUser",
            "iam:DetachUserPolicy",
            "iam:DeleteUserPolicy",
            "iam:DeleteUser",
        ],
        users,
    )
    yield from _keys_of(users, keys)


def _existing_users(keys: Sequence[UserKey], place: Place) -> Iterator[dict[str, Any]]:
    """Users that Keywright neither creates nor changes; their path is not in the manifests."""
    users = _in_any_path(keys, place)
    seen = ["iam:GetUser", "iam:ListServiceSpecificCredentials"]
    yield statement("ReadExistingUsers", seen, users)
    tagged = _in_any_path([key for key in keys if key.exclusive], place)
    if tagged:
        yield statement("TagUsers", ["iam:TagUser", "iam:UntagUser"], tagged)
    yield from _keys_of(users, keys)


def _in_any_path(keys: Sequence[UserKey], place: Place) -> list[str]:
    """Users in the path `/` and in any other path, without users whose name ends like theirs."""
    names = dict.fromkeys(key.user.name for key in keys)
    paths = ("user/{}", "user/*/{}")
    return [place.arn("iam", path.format(name)) for name in names for path in paths]


def _keys_of(users: str | list[str], keys: Sequence[UserKey]) -> Iterator[dict[str, Any]]:
    names = sorted({key.key_service.name for key in keys})
    words = {key.key_service.word for key in keys}
    word = words.pop() if len(words) == 1 else "Service"
    service = {"iam:ServiceSpecificCredentialServiceName": names[0] if len(names) == 1 else names}
    yield statement(
        f"Create{word}KeysOnly",
        ["iam:CreateServiceSpecificCredential"],
        users,
        condition={"StringEquals": service},
    )
    yield statement(
        "DeactivateAndDeleteKeys",
        ["iam:UpdateServiceSpecificCredential", "iam:DeleteServiceSpecificCredential"],
        users,
    )
