"""All resources of an account that Keywright has tagged, whichever grant they are for.

All functions are plain functions of a boto3 client, and run in a thread; they only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keywright.clouds.aws.tags import CLUSTER_TAG, TAG, is_retained

_PAGE: Final = {"PageSize": 500}


@dataclass(frozen=True, slots=True)
class MarkedResource:
    """A resource with Keywright's tags; `command` deletes it with the AWS CLI."""

    kind: str
    name: str
    region: str
    tags: Mapping[str, str]
    command: str

    @property
    def owner(self) -> str:
        """The grant that it was created for, as namespace/name."""
        return self.tags.get(TAG, "")

    @property
    def cluster_id(self) -> str | None:
        """The cluster that created it; None for one from before tags named a cluster."""
        return self.tags.get(CLUSTER_TAG)

    @property
    def is_retained(self) -> bool:
        """Whether its grant was deleted with `deletionPolicy: Retain`."""
        return is_retained(self.tags)


def marked_users(client: Any) -> list[MarkedResource]:
    """The tagged users; a listing does not contain tags, so each user is asked for them."""
    return list(_users(client))


def marked_keys(client: Any, *, region: str) -> list[MarkedResource]:
    """The tagged API keys of a region, without their values."""
    pages = client.get_paginator("get_api_keys").paginate(
        includeValues=False, PaginationConfig=_PAGE
    )
    return [
        MarkedResource(
            kind="API key",
            name=str(item["id"]),
            region=region,
            tags=item["tags"],
            command=f"aws apigateway delete-api-key --region {region} --api-key {item['id']}",
        )
        for page in pages
        for item in page["items"]
        if TAG in (item.get("tags") or {})
    ]


def marked_plans(client: Any, *, region: str) -> list[MarkedResource]:
    """The tagged usage plans of a region."""
    pages = client.get_paginator("get_usage_plans").paginate(PaginationConfig=_PAGE)
    return [
        MarkedResource(
            kind="usage plan",
            name=str(item["id"]),
            region=region,
            tags=item["tags"],
            command=(
                f"aws apigateway delete-usage-plan --region {region} --usage-plan-id {item['id']}"
            ),
        )
        for page in pages
        for item in page["items"]
        if TAG in (item.get("tags") or {})
    ]


def _users(client: Any) -> Iterator[MarkedResource]:
    for page in client.get_paginator("list_users").paginate():
        for user in page["Users"]:
            name = str(user["UserName"])
            tags = {
                tag["Key"]: tag["Value"]
                for found in client.get_paginator("list_user_tags").paginate(UserName=name)
                for tag in found["Tags"]
            }
            if TAG in tags:
                yield MarkedResource(
                    kind="IAM user",
                    name=name,
                    region="",
                    tags=tags,
                    command=(
                        "delete its keys and policies, then: aws iam delete-user --user-name"
                        f" {name}"
                    ),
                )
