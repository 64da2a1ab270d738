"""A resource that is not what the listing showed any more is not removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from keywright.clouds.aws import marked_removal
from keywright.clouds.owner_tags import NotRemovedError

_TAGS = {
    "keywright.dev/grant": "chat/gone",
    "keywright.dev/cluster-id": "here",
    "keywright.dev/grant-id": "g",
    "keywright.dev/created": "true",
    "keywright.dev/key-ids": "ACCA1",
}
_READS = ("get_", "list_")


class Cloud:
    """A client whose account has one user, one API key and one plan; it records all changes."""

    class exceptions:  # noqa: N801  as in boto3
        """The errors of a client."""

        ClientError = LookupError

    def __init__(self, tags: Mapping[str, str], **held: list[str]) -> None:
        self.tags = tags
        self.held = held
        self.changes: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith(_READS):
            return lambda **_: self.changes.append(name)
        return lambda **_: self._answers()[name]

    def get_paginator(self, name: str) -> Any:
        """One page of each listing."""
        answer = self._answers()[name]

        class Pages:
            @staticmethod
            def paginate(**_: Any) -> Iterator[Any]:
                yield answer

        return Pages

    def _answers(self) -> dict[str, Any]:
        tags = [{"Key": name, "Value": value} for name, value in self.tags.items()]
        credentials = [
            {"ServiceSpecificCredentialId": each} for each in self.held.get("credentials", [])
        ]
        access_keys = [{"AccessKeyId": each} for each in self.held.get("access_keys", [])]
        members = [{"id": each} for each in self.held.get("members", [])]
        return {
            "get_user": {"User": {"UserName": "u", "Path": "/", "Tags": tags}},
            "list_service_specific_credentials": {"ServiceSpecificCredentials": credentials},
            "list_access_keys": {"AccessKeyMetadata": access_keys},
            "list_attached_user_policies": {"AttachedPolicies": []},
            "list_user_policies": {"PolicyNames": []},
            "get_api_key": {"id": "k", "tags": self.tags},
            "get_usage_plan": {"id": "p", "name": "p", "tags": self.tags},
            "get_usage_plans": {"items": []},
            "get_usage_plan_keys": {"items": members},
        }


_REMOVALS: dict[str, Callable[[Cloud], None]] = {
    "user": lambda cloud: marked_removal.remove_user(cloud, "u", tags=_TAGS),
    "credential": lambda cloud: marked_removal.remove_credential(
        cloud, "ACCA1", user="u", tags=_TAGS
    ),
    "API key": lambda cloud: marked_removal.remove_api_key(cloud, "k", tags=_TAGS),
    "plan": lambda cloud: marked_removal.remove_plan(cloud, "p", tags=_TAGS),
    "tags": lambda cloud: marked_removal.untag_user(
        cloud, "u", tags={**_TAGS, "keywright.dev/created": "false"}
    ),
}


def removal(name: str) -> Callable[[Cloud], None]:
    """The function that removes one kind of resource."""
    return _REMOVALS[name]


@pytest.mark.parametrize("name", _REMOVALS)
@pytest.mark.parametrize(
    "change",
    [
        {"keywright.dev/cluster-id": "elsewhere"},
        {"keywright.dev/cluster-id": None},
        {"keywright.dev/grant": "chat/another"},
        {"keywright.dev/grant": None},
        {"keywright.dev/grant-id": "another"},
        {"keywright.dev/retain": "true"},
    ],
    ids=["cluster", "no cluster", "grant", "no grant", "grant ID", "retained"],
)
def test_a_resource_whose_tags_have_changed_stays(name: str, change: dict[str, str | None]) -> None:
    """It may have another owner by now."""
    tags = {key: value for key, value in {**_TAGS, **change}.items() if value is not None}
    if name == "tags":
        tags["keywright.dev/created"] = "false"
    cloud = Cloud(tags)
    with pytest.raises(NotRemovedError):
        removal(name)(cloud)
    assert cloud.changes == []


@pytest.mark.parametrize(
    ("name", "change", "held"),
    [
        ("user", {}, {"credentials": ["ACCA2"]}),
        ("user", {}, {"access_keys": ["AKIA1"]}),
        ("user", {"keywright.dev/created": "false"}, {}),
        ("credential", {"keywright.dev/key-ids": "ACCA2"}, {}),
        ("plan", {}, {"members": ["k"]}),
        ("tags", {"keywright.dev/created": "true"}, {}),
        ("tags", {"keywright.dev/created": "false"}, {"credentials": ["ACCA1"]}),
    ],
)
def test_a_resource_that_is_in_use_by_now_stays(
    name: str, change: dict[str, str], held: dict[str, list[str]]
) -> None:
    """Nor is an existing user deleted, or a user's tags removed while they name its keys."""
    cloud = Cloud({**_TAGS, **change}, **held)
    with pytest.raises(NotRemovedError):
        removal(name)(cloud)
    assert cloud.changes == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("user", ["delete_user"]),
        ("credential", ["delete_service_specific_credential"]),
        ("API key", ["delete_api_key"]),
        ("plan", ["delete_usage_plan"]),
        ("tags", ["untag_user"]),
    ],
)
def test_what_is_unchanged_is_removed(name: str, changes: list[str]) -> None:
    """With one change of the cloud each."""
    created = "false" if name == "tags" else "true"
    cloud = Cloud({**_TAGS, "keywright.dev/created": created})
    removal(name)(cloud)
    assert cloud.changes == changes
