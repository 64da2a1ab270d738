"""The IAM user that owns a key: created, tagged, given its policies, and deleted.

All functions are plain functions of a boto3 client, and run in a thread. A user belongs to the
grant by its tags, which name grant and cluster. An existing user can have these tags as well:
another tag says whether Keywright created it, and no other user's policies are ever changed. Keys
have no tags, so their IDs are in a tag of the user. All of it is idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from keywright.api.user_key import IamUser, UserKey
from keywright.clouds.answer_values import CREDENTIAL_ID, text
from keywright.clouds.aws.iam.errors import (
    ACCESS_DENIED,
    ALREADY_EXISTS,
    NO_SUCH_ENTITY,
    iam_code,
    no_such_user,
    not_our_user,
)
from keywright.clouds.owner_tags import (
    CREATED_TAG,
    KEYS_TAG,
    TAG,
    Owned,
    OwnerMark,
    is_retained,
)

DEFAULT_PATH: Final = "/keywright/"
RESTRICTIONS: Final = "keywright-restrictions"
_TAG_VALUE_LIMIT: Final = 256

User = Mapping[str, Any]


def find(client: Any, name: str, *, path: str | None) -> User | None:
    """Find the user, None if it does not exist.

    For a role that may only see users below a path, a name that does not exist is denied; the
    listing of that path then distinguishes the two.
    """
    try:
        user: User = client.get_user(UserName=name)["User"]
    except client.exceptions.ClientError as error:
        code = iam_code(error)
        if code == NO_SUCH_ENTITY:
            return None
        if code == ACCESS_DENIED and not _listed(client, name, path=path):
            return None
        raise
    return user


def tags_of(user: User) -> dict[str, str]:
    """The tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in user.get("Tags", ())}


def key_ids_of(user: User) -> tuple[str, ...]:
    """The IDs of the keys that were issued for the grant, in the user's tag."""
    return tuple(tags_of(user).get(KEYS_TAG, "").split())


def is_created(user: User, *, path: str | None) -> bool:
    """Whether Keywright created the user, not only tagged it: its policies may be changed.

    A user that an earlier version created lacks the tag. It counts if its path is one with which
    the grant creates users; `path` is None if the grant creates none.
    """
    created = tags_of(user).get(CREATED_TAG)
    if created is None and path is not None:
        return user.get("Path") in {path, DEFAULT_PATH}
    return created == "true"


def is_left(user: User, *, mark: OwnerMark) -> bool:
    """Whether the user belonged to a former grant of the name, whose deletion retained it."""
    return mark.owned(tags_of(user)) is Owned.FORMER and is_retained(tags_of(user))


def note_keys(client: Any, user: User, key_ids: Iterable[str], *, tags: Mapping[str, str]) -> None:
    """Record the keys in the user's tag, the newest last, and set other missing tags."""
    ids = list(dict.fromkeys(key_ids))
    while len(text := " ".join(ids)) > _TAG_VALUE_LIMIT:
        ids.pop(0)
    held = tags_of(user)
    wanted = {**tags, KEYS_TAG: text}
    changed = {name: value for name, value in wanted.items() if held.get(name, "") != value}
    if changed:
        client.tag_user(UserName=user["UserName"], Tags=_tag_list(changed))


def prepare(
    client: Any,
    key: UserKey,
    *,
    mark: OwnerMark,
    is_ours: Callable[[User], bool],
    partition: str,
) -> None:
    """Create or update the user as in the spec; one of another owner is rejected, not changed.

    Raises:
        Failure: a user of that name has another owner, or is not visible yet.
    """
    wanted = key.user
    found = find(client, wanted.name, path=wanted.path or DEFAULT_PATH)
    field = f"spec.{key.kind}"
    user = found or _create(client, wanted, mark=mark, field=field)
    path = wanted.path or DEFAULT_PATH
    if found is not None and not (is_ours(found) and is_created(found, path=path)):
        owner = tags_of(found).get(TAG, "")
        ours = owner == mark.owner
        existing = ours and not is_created(found, path=path)
        raise not_our_user(wanted.name, owner=owner, field=field, unsure=ours, existing=existing)
    tags = dict(wanted.tags) | mark.tags() | {CREATED_TAG: "true"}
    if is_left(user, mark=mark):
        # Its keys were retained: this grant has not issued them.
        tags[KEYS_TAG] = ""
    _tag(client, user, wanted=tags)
    _sync_permissions_boundary(client, user, wanted=wanted)
    # Restrictions first, permissions last: the user never has more permissions than intended.
    documents = inline_policies(key)
    held = _inline(client, wanted.name) if found else []
    for name, document in documents.items():
        if name not in held or _document(client, wanted.name, name) != document:
            client.put_user_policy(
                UserName=wanted.name, PolicyName=name, PolicyDocument=json.dumps(document)
            )
    arns = managed_policies(key, partition=partition)
    attached = _attached(client, wanted.name) if found else []
    for arn in [arn for arn in attached if arn not in arns]:
        client.detach_user_policy(UserName=wanted.name, PolicyArn=arn)
    for arn in [arn for arn in arns if arn not in attached]:
        client.attach_user_policy(UserName=wanted.name, PolicyArn=arn)
    for name in [name for name in held if name not in documents]:
        client.delete_user_policy(UserName=wanted.name, PolicyName=name)


def credentials(client: Any, name: str) -> frozenset[str]:
    """The IDs of the user's service-specific credentials, of any service."""
    answer = client.list_service_specific_credentials(UserName=name)
    return frozenset(
        text(item.get("ServiceSpecificCredentialId"), CREDENTIAL_ID)
        for item in answer["ServiceSpecificCredentials"]
    )


def delete_user(client: Any, name: str) -> None:
    """Delete a user of the grant, in the order that IAM requires; its keys must be deleted."""
    for arn in _attached(client, name):
        _unless_gone(client, partial(client.detach_user_policy, UserName=name, PolicyArn=arn))
    for policy in _inline(client, name):
        _unless_gone(client, partial(client.delete_user_policy, UserName=name, PolicyName=policy))
    _unless_gone(client, partial(client.delete_user, UserName=name))


def managed_policies(key: UserKey, *, partition: str) -> tuple[str, ...]:
    """The policies to attach; by default AWS's own policy for such keys."""
    if key.policy_arns is not None:
        return key.policy_arns
    return (f"arn:{partition}:iam::aws:policy/{key.key_service.default_policy}",)


def inline_policies(key: UserKey) -> dict[str, Any]:
    """The inline policies, including the one for CIDRs and expiry."""
    found: dict[str, Any] = {name: dict(policy) for name, policy in key.inline_policies.items()}
    statements = []
    if key.allowed_source_cidrs:
        statements.append(
            _deny(
                "UseFromTheseAddressesOnly",
                key,
                {"NotIpAddress": {"aws:SourceIp": sorted(key.allowed_source_cidrs)}},
            )
        )
    if key.not_after is not None:
        statements.append(
            _deny("UseUntil", key, {"DateGreaterThan": {"aws:CurrentTime": key.not_after}})
        )
    if statements:
        found[RESTRICTIONS] = {"Version": "2012-10-17", "Statement": statements}
    return found


def _deny(sid: str, key: UserKey, condition: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Action": list(key.key_service.bearer_actions),
        "Resource": "*",
        "Condition": dict(condition),
    }


def _create(client: Any, wanted: IamUser, *, mark: OwnerMark, field: str) -> User:
    tags = dict(wanted.tags) | mark.tags() | {CREATED_TAG: "true"}
    request: dict[str, Any] = {
        "UserName": wanted.name,
        "Path": wanted.path or DEFAULT_PATH,
        "Tags": _tag_list(tags),
    }
    if wanted.permissions_boundary is not None:
        request["PermissionsBoundary"] = wanted.permissions_boundary
    try:
        user: User = client.create_user(**request)["User"]
    except client.exceptions.ClientError as error:
        if iam_code(error) == ALREADY_EXISTS:
            raise no_such_user(wanted.name, created=True, field=field) from None
        raise
    return user


def _listed(client: Any, name: str, *, path: str | None) -> bool:
    """Whether a user exists below that path; a denied listing counts as yes."""
    if path is None:
        return True
    try:
        pages = client.get_paginator("list_users").paginate(PathPrefix=path)
        return any(user["UserName"] == name for page in pages for user in page["Users"])
    except client.exceptions.ClientError as error:
        if iam_code(error) == ACCESS_DENIED:
            return True
        raise


def _tag(client: Any, user: User, *, wanted: Mapping[str, str]) -> None:
    held = tags_of(user)
    changed = {key: value for key, value in wanted.items() if held.get(key) != value}
    if changed:
        client.tag_user(UserName=user["UserName"], Tags=_tag_list(changed))
    extra = [key for key in held if key not in wanted and key != KEYS_TAG]
    if extra:
        client.untag_user(UserName=user["UserName"], TagKeys=extra)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _sync_permissions_boundary(client: Any, user: User, *, wanted: IamUser) -> None:
    held = user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if held == wanted.permissions_boundary:
        return
    if wanted.permissions_boundary is None:
        client.delete_user_permissions_boundary(UserName=wanted.name)
        return
    client.put_user_permissions_boundary(
        UserName=wanted.name, PermissionsBoundary=wanted.permissions_boundary
    )


def _attached(client: Any, name: str) -> list[str]:
    pages = client.get_paginator("list_attached_user_policies").paginate(UserName=name)
    return [policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]]


def _inline(client: Any, name: str) -> list[str]:
    pages = client.get_paginator("list_user_policies").paginate(UserName=name)
    return [policy for page in pages for policy in page["PolicyNames"]]


def _document(client: Any, name: str, policy: str) -> Any:
    document = client.get_user_policy(UserName=name, PolicyName=policy)["PolicyDocument"]
    return json.loads(document) if isinstance(document, str) else document


def _unless_gone(client: Any, call: Callable[[], object]) -> None:
    try:
        call()
    except client.exceptions.ClientError as error:
        if iam_code(error) != NO_SUCH_ENTITY:
            raise
