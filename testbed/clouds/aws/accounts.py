"""The state of IAM: roles, policies, OIDC providers and users, stored by moto's IAM backends.

A boto3 IAM client sees what is created here, and vice versa.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from moto.iam.models import AccessKey, iam_backends
from moto.iam.models import Role as MotoRole

from testbed.clouds.aws import managed_policies
from testbed.clouds.policies import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PARTITION = "aws"
_AWS_POLICY = "arn:aws:iam::aws:"
# IAM no longer fetches thumbprints for issuers with a public CA, but the API still has one.
_THUMBPRINT = "0" * 40


@dataclass(frozen=True, slots=True)
class Role:
    """The current state of a role, as far as calls need it."""

    arn: str
    name: str
    id: str
    account: str
    trust: Policy
    max_session_seconds: int


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An IAM OIDC provider; `url` is the issuer without its scheme, as in condition keys."""

    arn: str
    issuer: str
    url: str
    client_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UserKey:
    """A user's access key with its owner."""

    access_key_id: str
    secret_key: str = field(repr=False)
    account: str
    user_name: str
    user_id: str
    user_arn: str


class Accounts:
    """Every account exists from the start and is empty, except for AWS's managed policies."""

    def __init__(self) -> None:
        for name, document in managed_policies.POLICIES.items():
            self.create_managed_policy(name=name, document=document, account="aws")

    # --- users in moto, for the actions that are implemented here ------------------------------

    def stored_user(self, *, account: str, name: str) -> Any:
        """The user in moto, or None."""
        return _backend(account).users.get(name)

    def stored_users(self, *, account: str) -> list[Any]:
        """All users in moto."""
        return list(_backend(account).users.values())

    def add_user(
        self, *, account: str, name: str, path: str, tags: Sequence[Mapping[str, str]]
    ) -> Any:
        """Create a user in moto."""
        return _backend(account).create_user("us-east-1", name, path, list(tags))

    def remove_user(self, *, account: str, name: str) -> None:
        """Delete a user without dependents."""
        _backend(account).delete_user(name)

    def stored_policy(self, arn: str, *, account: str) -> Any:
        """The managed policy in moto, of AWS or of this account, or None."""
        return _managed(arn) if arn.startswith((f"arn:aws:iam::{account}:", _AWS_POLICY)) else None

    def user_arn(self, *, account: str, name: str) -> str | None:
        """The ARN of a user, including its path."""
        stored = _backend(account).users.get(name)
        return None if stored is None else str(stored.arn)

    def user_boundary_arn(self, *, account: str, name: str) -> str | None:
        """The ARN of a user's permissions boundary, which moto does not store."""
        stored = _backend(account).users.get(name)
        arn = getattr(stored, "permissions_boundary", {}).get("PermissionsBoundaryArn")
        return None if arn is None else str(arn)

    # --- preparation by tests ----------------------------------------------------------------

    def create_provider(
        self, *, issuer: str, client_ids: Sequence[str], account: str
    ) -> IdentityProvider:
        """Create an OIDC provider for `issuer`; replaces an existing one."""
        backend = _backend(account)
        self.delete_provider(issuer=issuer, account=account)
        backend.create_open_id_connect_provider(issuer, [_THUMBPRINT], list(client_ids), [])
        provider = self.provider(account=account, issuer=issuer)
        assert provider is not None
        return provider

    def delete_provider(self, *, issuer: str, account: str) -> None:
        """Delete the provider for that issuer; a missing one is not an error."""
        _backend(account).delete_open_id_connect_provider(_provider_arn(account, issuer))

    def provider(self, *, account: str, issuer: str) -> IdentityProvider | None:
        """The account's provider for that issuer."""
        arn = _provider_arn(account, issuer)
        stored = _backend(account).open_id_providers.get(arn)
        if stored is None:
            return None
        return IdentityProvider(
            arn=arn, issuer=issuer, url=stored.url, client_ids=tuple(stored.client_id_list)
        )

    def create_role(
        self,
        *,
        name: str,
        trust_policy: Mapping[str, Any],
        policies: Mapping[str, Mapping[str, Any]],
        managed_policy_arns: Sequence[str],
        max_session_seconds: int,
        account: str,
        permissions_boundary: str | None = None,
    ) -> str:
        """Create a role with inline and managed policies, return its ARN; raises if malformed."""
        Policy.parse(json.dumps(trust_policy), trust=True)
        for document in policies.values():
            Policy.parse(json.dumps(document))
        backend = _backend(account)
        role = backend.create_role(
            name,
            json.dumps(trust_policy),
            "/",
            permissions_boundary,
            "",
            [],
            str(max_session_seconds),
        )
        for policy_name, document in policies.items():
            role.put_policy(policy_name, json.dumps(document))
        for arn in managed_policy_arns:
            managed = _managed(arn)
            if managed is None:
                raise LookupError(f"there is no managed policy {arn}: create it first")
            managed.attach_to(role)
        return str(role.arn)

    def put_trust_policy(self, *, name: str, trust_policy: Mapping[str, Any], account: str) -> None:
        """Replace a role's trust policy."""
        document = json.dumps(trust_policy)
        Policy.parse(document, trust=True)
        _backend(account).get_role(name).assume_role_policy_document = document

    def put_role_policy(
        self, *, role: str, name: str, document: Mapping[str, Any], account: str
    ) -> None:
        """Add or replace an inline policy of a role."""
        text = json.dumps(document)
        Policy.parse(text)
        _backend(account).get_role(role).put_policy(name, text)

    def delete_role(self, *, name: str, account: str) -> None:
        """Delete a role with all its dependents."""
        backend = _backend(account)
        role = backend.get_role(name)
        role.policies.clear()
        role.managed_policies.clear()
        backend.delete_role(name)

    def create_managed_policy(self, *, name: str, document: Mapping[str, Any], account: str) -> str:
        """Create a managed policy and return its ARN; AWS's own if `account` is "aws"."""
        text = json.dumps(document)
        Policy.parse(text)
        return str(_backend(account).create_policy("", "/", text, name, []).arn)

    def create_user(
        self, *, name: str, policies: Mapping[str, Mapping[str, Any]], account: str, path: str = "/"
    ) -> UserKey:
        """Create a user with inline policies and one access key."""
        backend = _backend(account)
        user = self.add_user(account=account, name=name, path=path, tags=[])
        for policy_name, document in policies.items():
            text = json.dumps(document)
            Policy.parse(text)
            user.put_policy(policy_name, text)
        key = backend.create_access_key(name)
        return _user_key(key, account=account)

    def role(self, arn: str) -> Role | None:
        """The role with that ARN."""
        parts = arn.split(":")
        if len(parts) != 6 or not parts[5].startswith("role/"):
            return None
        stored: MotoRole | None = next(
            (role for role in _backend(parts[4]).roles.values() if role.arn == arn), None
        )
        if stored is None:
            return None
        return Role(
            arn=arn,
            name=stored.name,
            id=stored.id,
            account=parts[4],
            trust=Policy.parse(stored.assume_role_policy_document, trust=True),
            max_session_seconds=int(stored.max_session_duration or 3600),
        )

    def role_policies(self, *, account: str, role_id: str) -> tuple[Policy, ...]:
        """All policies of a role; none if it is deleted, even if another has its name by now."""
        stored = _backend(account).roles.get(role_id)
        return () if stored is None else _policies_of(stored)

    def role_boundary(self, *, account: str, role_id: str) -> Policy | None:
        """The current permissions boundary of a role."""
        stored = _backend(account).roles.get(role_id)
        return None if stored is None else _boundary(stored.permissions_boundary_arn)

    def user_boundary(self, *, account: str, name: str) -> Policy | None:
        """The current permissions boundary of a user."""
        return _boundary(self.user_boundary_arn(account=account, name=name))

    def user_tags(self, *, account: str, name: str) -> dict[str, str]:
        """The tags of a user."""
        stored = _backend(account).users.get(name)
        tags = [] if stored is None else stored.tags or []
        return {tag["Key"]: tag["Value"] for tag in tags}

    def user_policies(self, *, account: str, name: str) -> tuple[Policy, ...]:
        """All policies of a user; none if it is deleted."""
        stored = _backend(account).users.get(name)
        return () if stored is None else _policies_of(stored)

    def managed_policy(self, arn: str) -> Policy | None:
        """The default version of a managed policy, of AWS or of an account."""
        stored = _managed(arn)
        return None if stored is None else Policy.parse(_default_document(stored))

    def user_key(self, access_key_id: str) -> UserKey | None:
        """A user's active access key, in any account."""
        for account, partitions in list(iam_backends.items()):
            key = partitions[_PARTITION].access_keys.get(access_key_id)
            if key is not None and key.status == "Active":
                return _user_key(key, account=account)
        return None


def _backend(account: str) -> Any:
    return iam_backends[account][_PARTITION]


def _provider_arn(account: str, issuer: str) -> str:
    parts = urlsplit(issuer)
    return f"arn:aws:iam::{account}:oidc-provider/{parts.netloc}{parts.path}"


def _user_key(key: AccessKey, *, account: str) -> UserKey:
    user = _backend(account).get_user(key.user_name)
    return UserKey(
        access_key_id=key.access_key_id,
        secret_key=key.secret_access_key,
        account=account,
        user_name=user.name,
        user_id=user.id,
        user_arn=user.arn,
    )


def _policies_of(stored: Any) -> tuple[Policy, ...]:
    documents = [
        *stored.policies.values(),
        *(_default_document(policy) for policy in stored.managed_policies.values()),
    ]
    return tuple(Policy.parse(document) for document in documents)


def _boundary(arn: str | None) -> Policy | None:
    """The boundary's policy; a deleted one allows nothing."""
    if not arn:
        return None
    stored = _managed(arn)
    return Policy(()) if stored is None else Policy.parse(_default_document(stored))


def _managed(arn: str) -> Any:
    account = arn.removeprefix("arn:aws:iam::").partition(":")[0]
    return _backend(account).managed_policies.get(arn)


def _default_document(managed: Any) -> str:
    versions = {version.version_id: version.document for version in managed.versions}
    return str(versions[managed.default_version_id])
