"""Removal of single tagged resources, after a check of the tags that they have at that moment.

All functions are plain functions of a boto3 client, and run in a thread. What is already deleted is
no error. None of them removes more than the one resource that it names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from keywright.api.names import RESERVED_PREFIX
from keywright.clouds.aws.api_gateway import api_key, usage_plans
from keywright.clouds.aws.api_gateway.errors import NOT_FOUND, gateway_code
from keywright.clouds.aws.iam import user as iam_user
from keywright.clouds.aws.iam.errors import NO_SUCH_ENTITY, iam_code
from keywright.clouds.aws.marked_resources import list_credentials
from keywright.clouds.owner_tags import (
    CLUSTER_TAG,
    GRANT_ID_TAG,
    KEYS_TAG,
    TAG,
    NotRemovedError,
    is_retained,
)

_OWNER_TAGS = (TAG, CLUSTER_TAG, GRANT_ID_TAG)


def remove_api_key(client: Any, key_id: str, *, tags: Mapping[str, str]) -> None:
    """Delete one API key; raises NotRemovedError if its owner is not that of `tags` any more."""
    found = api_key.find(client, key_id)
    if found is not None:
        _check(f"API key {key_id}", held=api_key.tags_of(found), expected=tags)
        api_key.delete(client, key_id)


def remove_plan(client: Any, plan_id: str, *, tags: Mapping[str, str]) -> None:
    """Delete one usage plan; raises NotRemovedError if its owner changed, or if it has a key."""
    try:
        found = client.get_usage_plan(usagePlanId=plan_id)
    except client.exceptions.ClientError as error:
        if gateway_code(error) == NOT_FOUND:
            return
        raise
    what = f"usage plan {plan_id}"
    _check(what, held=api_key.tags_of(found), expected=tags)
    if usage_plans.list_members(client, plan_id):
        raise _kept(what, "it has keys")
    usage_plans.delete_plan(client, found)


def remove_credential(client: Any, credential: str, *, user: str, tags: Mapping[str, str]) -> None:
    """Delete one key of a user; raises NotRemovedError if the owner of the user changed."""
    found = iam_user.find(client, user, path=None)
    if found is None:
        return
    what = f"IAM user {user}"
    _check(what, held=iam_user.tags_of(found), expected=tags)
    was_issued = credential in tags.get(KEYS_TAG, "").split()
    if was_issued and credential not in iam_user.key_ids_of(found):
        raise _kept(f"key {credential} of {what}", "the tags of the user have changed")
    try:
        client.delete_service_specific_credential(
            UserName=user, ServiceSpecificCredentialId=credential
        )
    except client.exceptions.ClientError as error:
        if iam_code(error) != NO_SUCH_ENTITY:
            raise


def remove_user(client: Any, name: str, *, tags: Mapping[str, str]) -> None:
    """Delete a user without keys that Keywright created; raises NotRemovedError otherwise."""
    found = iam_user.find(client, name, path=None)
    if found is None:
        return
    what = f"IAM user {name}"
    _check(what, held=iam_user.tags_of(found), expected=tags)
    if not iam_user.is_created(found, path=iam_user.DEFAULT_PATH):
        raise _kept(what, "Keywright did not create it")
    if list_credentials(client, name) != ():
        raise _kept(what, "it has keys")
    # Policies are detached before the user is deleted, so access keys are looked up first.
    pages = client.get_paginator("list_access_keys").paginate(UserName=name)
    if any(page["AccessKeyMetadata"] for page in pages):
        raise _kept(what, "it has access keys")
    iam_user.delete_user(client, name)


def untag_user(client: Any, name: str, *, tags: Mapping[str, str]) -> None:
    """Remove Keywright's tags from an existing user; raises NotRemovedError otherwise."""
    found = iam_user.find(client, name, path=None)
    if found is None:
        return
    held = iam_user.tags_of(found)
    what = f"IAM user {name}"
    _check(what, held=held, expected=tags)
    if iam_user.is_created(found, path=iam_user.DEFAULT_PATH):
        raise _kept(what, "Keywright created it")
    # Only the tags say which of its keys are Keywright's.
    credentials = list_credentials(client, name)
    issued = set(iam_user.key_ids_of(found))
    if credentials is None or issued & {each.id for each in credentials}:
        raise _kept(what, "it has keys that Keywright issued")
    ours: Collection[str] = [tag for tag in held if tag.startswith(RESERVED_PREFIX)]
    client.untag_user(UserName=name, TagKeys=sorted(ours))


def _check(what: str, *, held: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise NotRemovedError if the owner is not that of the listing, or it is retained now."""
    same = all(held.get(tag) == expected.get(tag) for tag in _OWNER_TAGS)
    if not (same and held.get(CLUSTER_TAG) and held.get(TAG)):
        raise _kept(what, "its tags have changed")
    if is_retained(held):
        raise _kept(what, "it is retained")


def _kept(what: str, why: str) -> NotRemovedError:
    return NotRemovedError(f"{what} was not removed: {why}")
