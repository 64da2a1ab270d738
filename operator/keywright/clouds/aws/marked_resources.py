"""The resources of an account that Keywright has tagged, and the keys of its users and plans.

All functions are plain functions of a boto3 client, and run in a thread; they only read. `progress`
is called with a number of resources after each page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keywright.clouds.aws.api_gateway import api_key, usage_plans
from keywright.clouds.aws.iam import user as iam_user
from keywright.clouds.aws.iam.errors import ACCESS_DENIED, NO_SUCH_ENTITY, iam_code
from keywright.clouds.owner_tags import (
    CLUSTER_TAG,
    CREATED_TAG,
    IMPORT_TAG,
    KEYS_TAG,
    TAG,
    is_retained,
)

Progress = Callable[[int], None]
_PAGE: Final = {"PageSize": 500}
_MOST_PAGES: Final = 1000


@dataclass(frozen=True, slots=True)
class Marks:
    """The tags of a resource, as far as they say whose it is."""

    tags: Mapping[str, str]

    @property
    def owner(self) -> str:
        """The grant that the resource was created for, as namespace/name."""
        return self.tags.get(TAG, "")

    @property
    def cluster_id(self) -> str | None:
        """The cluster that created it; None for one from before tags named a cluster."""
        return self.tags.get(CLUSTER_TAG)

    @property
    def is_retained(self) -> bool:
        """Whether a deletion retains it: `deletionPolicy: Retain`."""
        return is_retained(self.tags)


@dataclass(frozen=True, slots=True)
class UserCredential:
    """A service-specific credential of a user, without its value."""

    id: str
    service: str


@dataclass(frozen=True, slots=True)
class MarkedUser:
    """A tagged IAM user and its keys, each None if they may not be listed."""

    name: str
    path: str
    marks: Marks
    credentials: tuple[UserCredential, ...] | None
    access_keys: tuple[str, ...] | None

    @property
    def issued(self) -> frozenset[str]:
        """The IDs of the credentials that Keywright issued, from the user's tag."""
        return frozenset(self.marks.tags.get(KEYS_TAG, "").split())

    @property
    def is_created(self) -> bool:
        """Whether Keywright created the user; otherwise it only tagged an existing one."""
        body = {
            "Path": self.path,
            "Tags": [{"Key": CREATED_TAG, "Value": self.marks.tags[CREATED_TAG]}]
            if CREATED_TAG in self.marks.tags
            else [],
        }
        return iam_user.is_created(body, path=iam_user.DEFAULT_PATH)


@dataclass(frozen=True, slots=True)
class IamListing:
    """All users of an account by name, those with tags, and the credentials of other users."""

    names: frozenset[str]
    marked: tuple[MarkedUser, ...]
    others: Mapping[str, tuple[UserCredential, ...] | None]

    def has_credential(self, user: str, credential: str) -> bool | None:
        """Whether the user has the credential; None if its credentials may not be listed."""
        if user not in self.names:
            return False
        marked = next((each for each in self.marked if each.name == user), None)
        held = self.others.get(user) if marked is None else marked.credentials
        return None if held is None else any(each.id == credential for each in held)


@dataclass(frozen=True, slots=True)
class ListedApiKey:
    """An API key; `name` is that of its import, or its own ID. `in_plan` only of a tagged key."""

    id: str
    name: str
    marks: Marks
    enabled: bool
    in_plan: bool


@dataclass(frozen=True, slots=True)
class ListedPlan:
    """A usage plan, and the IDs of the keys in it; none of an untagged plan."""

    id: str
    name: str
    marks: Marks
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class GatewayListing:
    """All API keys and usage plans of an account in a Region."""

    region: str
    keys: tuple[ListedApiKey, ...]
    plans: tuple[ListedPlan, ...]


def list_iam(client: Any, *, also: Collection[str], progress: Progress) -> IamListing:
    """The users of the account; a listing does not contain tags, so each user is asked for them.

    `also` are further users whose credentials are listed.
    """
    users: list[Mapping[str, Any]] = []
    for page in client.get_paginator("list_users").paginate():
        users += page["Users"]
        progress(len(users))
    held = _all_credentials(client)
    marked = []
    for user in users:
        tags = _user_tags(client, user["UserName"])
        if TAG in tags:
            marked.append(_marked_user(client, user, tags, held=held))
    names = frozenset(str(user["UserName"]) for user in users)
    others = (names & frozenset(also)) - {user.name for user in marked}
    return IamListing(
        names=names,
        marked=tuple(marked),
        others={name: _held_by(client, name, held) for name in sorted(others)},
    )


_Held = Mapping[str, tuple[UserCredential, ...]]


def _held_by(client: Any, user: str, held: _Held | None) -> tuple[UserCredential, ...] | None:
    return list_credentials(client, user) if held is None else held.get(user, ())


def _all_credentials(client: Any) -> _Held | None:
    """The credentials of all services by user, in one listing; None if that is denied."""
    found: dict[str, tuple[UserCredential, ...]] = {}
    try:
        for item in _listed_credentials(client, AllUsers=True):
            user = str(item["UserName"])
            found[user] = (*found.get(user, ()), _credential(item))
    except client.exceptions.ClientError as error:
        if iam_code(error) == ACCESS_DENIED:
            return None
        raise
    return found


def _credential(item: Mapping[str, Any]) -> UserCredential:
    return UserCredential(
        id=str(item["ServiceSpecificCredentialId"]), service=str(item.get("ServiceName", ""))
    )


def _listed_credentials(client: Any, **request: Any) -> Iterator[Mapping[str, Any]]:
    """The items of all pages; a page names the marker of the next one."""
    for _ in range(_MOST_PAGES):
        answer = client.list_service_specific_credentials(**request)
        yield from answer["ServiceSpecificCredentials"]
        if not answer.get("IsTruncated"):
            return
        request["Marker"] = answer["Marker"]


def list_credentials(client: Any, user: str) -> tuple[UserCredential, ...] | None:
    """The service-specific credentials of a user, which may not exist; None if that is denied."""
    try:
        return tuple(map(_credential, _listed_credentials(client, UserName=user)))
    except client.exceptions.ClientError as error:
        code = iam_code(error)
        if code == ACCESS_DENIED:
            return None
        if code == NO_SUCH_ENTITY:
            return ()
        raise


def list_gateway(client: Any, *, region: str, progress: Progress) -> GatewayListing:
    """The API keys, without their values, and the usage plans of a Region.

    Only the members of tagged plans and the plans of tagged keys are looked up.
    """
    keys: list[Mapping[str, Any]] = []
    pages = client.get_paginator("get_api_keys").paginate(
        includeValues=False, PaginationConfig=_PAGE
    )
    for page in pages:
        keys += page.get("items", ())
        progress(len(keys))
    plans = []
    for plan in usage_plans.list_plans(client):
        tags = dict(plan.get("tags") or {})
        marked = TAG in tags
        members = usage_plans.list_members(client, str(plan["id"])) if marked else frozenset()
        plans.append(ListedPlan(str(plan["id"]), str(plan.get("name", "")), Marks(tags), members))
        progress(len(keys) + len(plans))
    return GatewayListing(
        region=region,
        keys=tuple(_listed_key(client, key, plans) for key in keys),
        plans=tuple(plans),
    )


def _listed_key(client: Any, key: Mapping[str, Any], plans: Collection[ListedPlan]) -> ListedApiKey:
    tags = api_key.tags_of(key)
    key_id = str(key["id"])
    in_plan = any(key_id in plan.members for plan in plans)
    if not in_plan and TAG in tags:
        in_plan = bool(api_key.plans_of(client, key_id))
    return ListedApiKey(
        id=key_id,
        name=tags.get(IMPORT_TAG) or key_id,
        marks=Marks(tags),
        enabled=bool(key.get("enabled")),
        in_plan=in_plan,
    )


def _marked_user(
    client: Any, user: Mapping[str, Any], tags: Mapping[str, str], *, held: _Held | None
) -> MarkedUser:
    name = str(user["UserName"])
    return MarkedUser(
        name=name,
        path=str(user.get("Path", "")),
        marks=Marks(tags),
        credentials=_held_by(client, name, held),
        access_keys=_access_keys(client, name),
    )


def _user_tags(client: Any, name: str) -> dict[str, str]:
    """The tags of a user; empty for one that was deleted since it was listed."""
    try:
        return {
            tag["Key"]: tag["Value"]
            for found in client.get_paginator("list_user_tags").paginate(UserName=name)
            for tag in found["Tags"]
        }
    except client.exceptions.ClientError as error:
        if iam_code(error) == NO_SUCH_ENTITY:
            return {}
        raise


def _access_keys(client: Any, name: str) -> tuple[str, ...] | None:
    try:
        pages = client.get_paginator("list_access_keys").paginate(UserName=name)
        return tuple(str(key["AccessKeyId"]) for page in pages for key in page["AccessKeyMetadata"])
    except client.exceptions.ClientError as error:
        code = iam_code(error)
        if code == ACCESS_DENIED:
            return None
        if code == NO_SUCH_ENTITY:
            return ()
        raise
