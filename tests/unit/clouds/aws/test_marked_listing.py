"""The listing of an account for `keywright audit`: all credentials of all services at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keywright.api.bedrock_keys import BEDROCK
from keywright.api.user_key import KeyService
from keywright.clouds.aws.marked_resources import UserCredential, list_iam
from keywright.clouds.owner_tags import TAG

_SERVICES = ("bedrock.amazonaws.com", "logs.amazonaws.com", "xray.amazonaws.com")


class _Exceptions:
    ClientError = ClientError


@dataclass(slots=True)
class _Iam:
    """Two users with keys of several services, listed in pages of two."""

    all_users: bool = True
    requests: list[dict[str, Any]] = field(default_factory=list)
    exceptions: Any = _Exceptions

    def get_paginator(self, name: str) -> Any:
        """One page of each other listing."""
        answer = {
            "list_users": {"Users": [{"UserName": each, "Path": "/"} for each in ("one", "two")]},
            "list_user_tags": {"Tags": [{"Key": TAG, "Value": "chat/key"}]},
            "list_access_keys": {"AccessKeyMetadata": []},
        }[name]

        class Pages:
            @staticmethod
            def paginate(**_: Any) -> Iterator[Any]:
                yield answer

        return Pages

    def list_service_specific_credentials(self, **request: Any) -> dict[str, Any]:
        """Each user has a key of each service."""
        self.requests.append(request)
        if "AllUsers" in request and not self.all_users:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListServiceSpecificCredentials")
        users = [request["UserName"]] if "UserName" in request else ["one", "two"]
        items = [
            {
                "UserName": user,
                "ServiceName": service,
                "ServiceSpecificCredentialId": f"{user}{number}",
            }
            for user in users
            for number, service in enumerate(_SERVICES)
        ]
        start = int(request.get("Marker", "0"))
        page = {"ServiceSpecificCredentials": items[start : start + 2]}
        if start + 2 < len(items):
            return {**page, "IsTruncated": True, "Marker": str(start + 2)}
        return {**page, "IsTruncated": False}


@pytest.mark.parametrize(("all_users", "listings"), [(True, 3), (False, 5)])
def test_the_keys_of_every_service_are_listed_by_their_markers(
    *, all_users: bool, listings: int
) -> None:
    """One listing for all users, or one for each user if the role may not list all."""
    iam = _Iam(all_users=all_users)
    found = list_iam(iam, also=(), progress=lambda _: None)
    held = {user.name: user.credentials for user in found.marked}
    assert held == {
        name: tuple(UserCredential(f"{name}{n}", service) for n, service in enumerate(_SERVICES))
        for name in ("one", "two")
    }
    assert len(iam.requests) == listings


@pytest.mark.parametrize(
    ("title", "word"),
    [
        (BEDROCK.title, "Bedrock"),
        ("AWS X-Ray", "XRay"),
        ("Amazon CloudWatch Logs", "CloudWatchLogs"),
        ("Claude Platform on AWS", "ClaudePlatform"),
    ],
)
def test_the_word_of_a_service_can_be_part_of_a_sid(title: str, word: str) -> None:
    """Which IAM accepts with letters and digits only."""
    service = KeyService(name="", title=title, prefix="", bearer_actions=(), default_policy="")
    assert service.word == word
