"""One API key in API Gateway: its attributes, and how it is found, created, updated and moved.

All functions are plain functions of a boto3 client, and run in a thread. A key that was created for
a grant has tags for it: the grant by name, grant ID and cluster ID, and the intent that the key was
created by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.api_gateway.errors import NOT_FOUND, gateway_code
from keywright.clouds.aws.api_gateway.usage_plans import list_plans as plans_listed
from keywright.clouds.owner_tags import (
    CLUSTER_TAG,
    DISABLED_TAG,
    GRANT_ID_TAG,
    IMPORT_TAG,
    INTENT_TAG,
    TAG,
    UID_TAG,
    Owned,
    OwnerMark,
    is_retained,
)

Key = Mapping[str, Any]
_PAGE: Final = {"PageSize": 500}
# Tags of AWS's own services, which no other client can set or remove.
_THEIRS: Final = "aws:"
_MARKS: Final = frozenset({TAG, UID_TAG, GRANT_ID_TAG, CLUSTER_TAG})


class OwnerTags(OwnerMark):
    """The tags that distinguish the keys of one grant from all others."""

    __slots__ = ()

    @property
    def description(self) -> str:
        """The description of an imported key until it has its tags: an import sets none."""
        return f"{UID_TAG}={self.uid}"

    def made(self, key: Key) -> bool:
        """Whether the key was created for this very grant.

        Tags decide. A description counts only for a key without Keywright tags: one of an import
        that was not tagged yet. Any client can set a description.
        """
        tags = tags_of(key)
        if tags.keys() & _MARKS:
            return self.owned(tags) is Owned.OWNED
        return self.described(key) is not None

    def described(self, key: Key) -> str | None:
        """The import in a description, in the format of this grant's imports."""
        mark, _, name = (key.get("description") or "").partition(" ")
        return name.strip() if mark == self.description else None

    def covers(self, key: Key) -> bool:
        """Whether the key may be changed: also one created for the grant before a restore."""
        return self.made(key) or self.owned(tags_of(key)) is Owned.FORMER

    def left(self, key: Key) -> bool:
        """Whether it was issued for the grant, or a former one of its name, and not retained."""
        former = self.owned(tags_of(key)) is Owned.FORMER
        return self.made(key) or (former and not is_retained(tags_of(key)))


def is_unmarked(key: Key) -> bool:
    """Whether the key has no Keywright tags, as if another client had removed them."""
    return not tags_of(key).keys() & _MARKS


def import_of(key: Key, *, mark: OwnerTags) -> str | None:
    """The name of the import that created the key; None for a key created by itself."""
    found = tags_of(key).get(IMPORT_TAG)
    if found is not None:
        return found
    if not mark.made(key):
        return None
    return mark.described(key) or None


def list_keys(client: Any, *, values: bool = False) -> list[Key]:
    """All keys of the account and region."""
    pages = client.get_paginator("get_api_keys").paginate(
        includeValues=values, PaginationConfig=_PAGE
    )
    return [key for page in pages for key in page.get("items", ())]


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key in a listing that grants share, without its value.

    `name` is that of its import, or its own ID; `label` its name in API Gateway.
    `disabled_by_operator`: it is disabled because the grant said so.
    """

    id: str
    name: str
    label: str
    cluster: str
    enabled: bool
    disabled_by_operator: bool
    retained: bool


def list_by_grant(client: Any) -> dict[str, list[ListedKey]]:
    """All keys of the account and region, by the grants that their tags name."""
    found: dict[str, list[ListedKey]] = {}
    for key in list_keys(client):
        tags = tags_of(key)
        if TAG not in tags:
            continue
        listed = ListedKey(
            id=str(key["id"]),
            name=tags.get(IMPORT_TAG) or str(key["id"]),
            label=str(key.get("name") or ""),
            cluster=tags.get(CLUSTER_TAG) or "",
            enabled=bool(key.get("enabled")),
            disabled_by_operator=DISABLED_TAG in tags,
            retained=is_retained(tags),
        )
        found.setdefault(tags[TAG], []).append(listed)
    return found


def is_disabled_by_hand(key: Key) -> bool:
    """Whether the key is disabled, and not because its grant said so."""
    return not key.get("enabled") and DISABLED_TAG not in tags_of(key)


def find(client: Any, key_id: str, *, value: bool = False) -> Key | None:
    """Read the key, None if it does not exist."""
    try:
        found: Key = client.get_api_key(apiKey=key_id, includeValue=value)
    except client.exceptions.ClientError as error:
        if gateway_code(error) == NOT_FOUND:
            return None
        raise
    return found


def create(
    client: Any, key: ApiGatewayKey, *, grant: ApiKeyGrant, intent: str, value: Sensitive
) -> Key:
    """Create a key with one call; a value that another key has is rejected."""
    request: dict[str, Any] = {
        "name": key_name(key, grant=grant),
        "value": value.reveal(),
        # Otherwise it would not be enabled.
        "enabled": key.enabled,
        "tags": {**wanted_tags(key, grant=grant), INTENT_TAG: intent},
    }
    if key.description is not None:
        request["description"] = key.description
    if key.customer_id is not None:
        request["customerId"] = key.customer_id
    made: Key = client.create_api_key(**request)
    return made


def update(
    client: Any, found: Key, *, wanted: Mapping[str, Any], tags: Mapping[str, str], arn: str
) -> None:
    """Update tags and attributes to the spec of the grant.

    The tag of a key that the operator disables is set before that, and removed after the key is
    enabled: after any interruption, the key does not look as if it was disabled by hand.
    """
    enabled_first = DISABLED_TAG not in tags
    if enabled_first:
        change(client, found, wanted=wanted)
    tag(client, found, tags=tags, arn=arn)
    if not enabled_first:
        change(client, found, wanted=wanted)


def change(client: Any, found: Key, *, wanted: Mapping[str, Any]) -> None:
    """Update what differs with one call; without a call if nothing differs."""
    operations = list(_operations(found, wanted=wanted))
    if operations:
        client.update_api_key(apiKey=found["id"], patchOperations=operations)


def tag(client: Any, found: Key, *, tags: Mapping[str, str], arn: str) -> None:
    """Set the tags that differ, and remove those that the grant no longer has."""
    held = tags_of(found)
    changed = {name: value for name, value in tags.items() if held.get(name) != value}
    if changed:
        client.tag_resource(resourceArn=arn, tags=changed)
    kept = {*tags, INTENT_TAG, IMPORT_TAG}
    extra = sorted(name for name in held if name not in kept and not name.startswith(_THEIRS))
    if extra:
        client.untag_resource(resourceArn=arn, tagKeys=extra)


def attributes(key: ApiGatewayKey, *, grant: ApiKeyGrant) -> dict[str, Any]:
    """The attributes of the key in the spec, by the names of API Gateway."""
    return {
        "name": key_name(key, grant=grant),
        "description": key.description or "",
        "customerId": key.customer_id or "",
        "enabled": key.enabled,
    }


def wanted_tags(key: ApiGatewayKey, *, grant: ApiKeyGrant) -> dict[str, str]:
    """The tags of the grant, and those of Keywright."""
    found = {**key.tags, **OwnerTags.of(grant).tags(), UID_TAG: grant.uid}
    if not key.enabled and key.csv_from is None:
        found[DISABLED_TAG] = "true"
    return found


def key_name(key: ApiGatewayKey, *, grant: ApiKeyGrant) -> str:
    """The name in API Gateway, which need not be unique."""
    return key.key_name or f"{grant.namespace}.{grant.name}"


def join(client: Any, key_id: str, *, plans: Collection[str], held: Collection[str]) -> None:
    """Add the key to the plans, and remove it from others first: a stage allows one plan."""
    for plan in sorted(set(held) - set(plans)):
        unless_gone(client, "delete_usage_plan_key", usagePlanId=plan, keyId=key_id)
    for plan in plans:
        if plan not in held:
            client.create_usage_plan_key(usagePlanId=plan, keyId=key_id, keyType="API_KEY")


def plans_of(client: Any, key_id: str) -> list[str]:
    """The IDs of the plans that contain the key."""
    return [str(plan["id"]) for plan in plans_listed(client, keyId=key_id)]


def disable(client: Any, key_id: str) -> None:
    """Disable the key; a deleted one is not an error."""
    operation = {"op": "replace", "path": "/enabled", "value": "false"}
    unless_gone(client, "update_api_key", apiKey=key_id, patchOperations=[operation])


def delete(client: Any, key_id: str) -> None:
    """Remove the key from its plans, then delete it; a deleted one is not an error."""
    join(client, key_id, plans=(), held=plans_of(client, key_id))
    unless_gone(client, "delete_api_key", apiKey=key_id)


def unless_gone(client: Any, action: str, **request: Any) -> None:
    """Call it; that the resource no longer exists is not an error."""
    try:
        getattr(client, action)(**request)
    except client.exceptions.ClientError as error:
        if gateway_code(error) != NOT_FOUND:
            raise


def _operations(found: Key, *, wanted: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for name, value in wanted.items():
        if (found.get(name) or type(value)()) != value:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield {"op": "replace", "path": f"/{name}", "value": text}


def tags_of(key: Key) -> Mapping[str, str]:
    """The tags of a key or a plan."""
    return key.get("tags") or {}
