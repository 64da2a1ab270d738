"""The actions of IAM on users where moto is lax or lacks something; moto stores the users.

These are: names, permissions boundaries, AWS's own policies, and deletion with its conflicts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import iam_pages, query, refusals

if TYPE_CHECKING:
    from testbed.clouds.aws.accounts import Accounts
    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.aws.service_credentials import ServiceCredentials

_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_NAME_CHARACTERS = 64
_PATH = re.compile(r"/|/[\x21-\x7e]+/")
_INLINE_BYTES = 2048
_ATTACHED = 10
_SERVICE_ROLE = ":policy/aws-service-role/"


class Users:
    """Implements the actions of IAM; each gets the account and the call's parameters."""

    def __init__(
        self, *, accounts: Accounts, credentials: ServiceCredentials, propagation: Propagation
    ) -> None:
        self._accounts = accounts
        self._credentials = credentials
        self._propagation = propagation

    def find(self, account: str, name: str) -> Any:
        """The user in moto; raises CloudError NoSuchEntity, also for one not visible yet."""
        user = self._accounts.stored_user(account=account, name=name)
        if user is None or not self._propagation.listed(user.arn):
            raise refusals.no_such_entity(f"The user with name {name} cannot be found.")
        return user

    def create(self, account: str, parameters: dict[str, str]) -> dict[str, Any]:
        """CreateUser, with path, tags and permissions boundary."""
        name, path = parameters.get("UserName", ""), parameters.get("Path", "/")
        if not _NAME.fullmatch(name):
            raise refusals.invalid_user_name()
        if len(name) > _NAME_CHARACTERS:
            raise refusals.constraint(
                "userName", name, f"have length less than or equal to {_NAME_CHARACTERS}"
            )
        if not _PATH.fullmatch(path):
            raise refusals.invalid_path()
        keys = query.members(parameters, "Tags", field="Key")
        values = query.members(parameters, "Tags", field="Value")
        if len({key.lower() for key in keys}) != len(keys):
            raise refusals.duplicate_iam_tag_keys()
        boundary = parameters.get("PermissionsBoundary")
        if boundary is not None:
            self._check_boundary(boundary)
        if self._accounts.stored_user(account=account, name=name) is not None:
            raise refusals.entity_already_exists(f"User with name {name} already exists.")
        tags = [{"Key": key, "Value": value} for key, value in zip(keys, values, strict=True)]
        user = self._accounts.add_user(account=account, name=name, path=path, tags=tags)
        if boundary is not None:
            _set_boundary(user, boundary)
        self._propagation.made(user.arn)
        return {"User": to_api(user)}

    def get(self, account: str, parameters: dict[str, str]) -> dict[str, Any]:
        """GetUser."""
        if "UserName" not in parameters:
            raise refusals.user_name_missing()
        return {"User": to_api(self.find(account, parameters["UserName"]))}

    def list(self, account: str, parameters: dict[str, str]) -> dict[str, Any]:
        """ListUsers, by PathPrefix, in pages; without tags and boundary, as in AWS."""
        prefix = parameters.get("PathPrefix", "/")
        users = [
            {key: value for key, value in to_api(user).items() if key in _SHORT}
            for user in self._accounts.stored_users(account=account)
            if user.path.startswith(prefix) and self._propagation.listed(user.arn)
        ]
        return iam_pages.page(
            sorted(users, key=lambda user: str(user["UserName"])), parameters, field="Users"
        )

    def delete(self, account: str, parameters: dict[str, str]) -> None:
        """DeleteUser: rejected while it has dependents; which is reported first is a guess [U]."""
        user = self.find(account, parameters.get("UserName", ""))
        credentials = list(self._credentials.of(account=account, user_id=user.id))
        for held, words in (
            (user.managed_policies, "must detach all policies first."),
            (user.policies, "must delete policies first."),
            (user.access_keys, "must delete access keys first."),
            (credentials, "must remove referenced objects first."),
        ):
            if held:
                raise refusals.delete_conflict(words)
        self._accounts.remove_user(account=account, name=user.name)

    def put_boundary(self, account: str, parameters: dict[str, str]) -> None:
        """PutUserPermissionsBoundary."""
        user = self.find(account, parameters.get("UserName", ""))
        boundary = parameters.get("PermissionsBoundary", "")
        self._check_boundary(boundary)
        _set_boundary(user, boundary)

    def delete_boundary(self, account: str, parameters: dict[str, str]) -> None:
        """DeleteUserPermissionsBoundary."""
        user = self.find(account, parameters.get("UserName", ""))
        if self._accounts.user_boundary_arn(account=account, name=user.name) is None:
            raise refusals.no_such_entity(f"{user.name} doesn't have a permissions boundary")
        user.permissions_boundary = {}

    def attach(self, account: str, parameters: dict[str, str]) -> None:
        """AttachUserPolicy, for policies of the account and of AWS; ten at most."""
        user = self.find(account, parameters.get("UserName", ""))
        arn = parameters.get("PolicyArn", "")
        policy = self._accounts.stored_policy(arn, account=account)
        if policy is None:
            raise refusals.no_such_entity("Policy ARN does not exist or is not attachable.")
        if _SERVICE_ROLE in arn:
            raise refusals.policy_not_attachable()
        if arn in user.managed_policies:
            return
        if len(user.managed_policies) >= _ATTACHED:
            raise refusals.limit_exceeded("PoliciesPerUser", _ATTACHED)
        policy.attach_to(user)

    def detach(self, account: str, parameters: dict[str, str]) -> None:
        """DetachUserPolicy."""
        user = self.find(account, parameters.get("UserName", ""))
        arn = parameters.get("PolicyArn", "")
        policy = self._accounts.stored_policy(arn, account=account)
        if policy is None or arn not in user.managed_policies:
            raise refusals.no_such_entity(f"Policy {arn} was not found.")
        policy.detach_from(user)

    def put_policy(self, account: str, parameters: dict[str, str]) -> None:
        """PutUserPolicy; all inline policies of a user have 2048 characters without whitespace."""
        user = self.find(account, parameters.get("UserName", ""))
        name, document = parameters.get("PolicyName", ""), parameters.get("PolicyDocument", "")
        others = [text for other, text in user.policies.items() if other != name]
        if sum(len("".join(text.split())) for text in [*others, document]) > _INLINE_BYTES:
            raise refusals.inline_too_large(user.name, limit=_INLINE_BYTES)
        user.put_policy(name, document)

    def _check_boundary(self, arn: str) -> None:
        if self._accounts.managed_policy(arn) is None:
            raise refusals.no_such_entity(f"Scope ARN: {arn} does not exist or is not attachable.")


_SHORT = {"Path", "UserName", "UserId", "Arn", "CreateDate"}


def to_api(user: Any) -> dict[str, Any]:
    """A user in the format of GetUser."""
    content: dict[str, Any] = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.create_date,
    }
    if getattr(user, "permissions_boundary", None):
        content["PermissionsBoundary"] = user.permissions_boundary
    if user.tags:
        content["Tags"] = user.tags
    return content


def _set_boundary(user: Any, arn: str) -> None:
    user.permissions_boundary = {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": arn,
    }
