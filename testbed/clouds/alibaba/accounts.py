"""The state of RAM: users with keys, roles, OIDC providers. Every account exists from the start."""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.clouds.alibaba import ram_policies
from testbed.clouds.policies import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True)
class User:
    """A RAM user, or the account itself if `name` is None."""

    account: str
    id: str
    name: str | None
    policies: tuple[Policy, ...]

    @property
    def arn(self) -> str:
        """The ARN."""
        last = "root" if self.name is None else f"user/{self.name}"
        return f"acs:ram::{self.account}:{last}"


@dataclass(slots=True)
class AccessKey:
    """A long-term access key."""

    id: str
    secret: str = field(repr=False)
    user: User
    active: bool = True


@dataclass(slots=True)
class Role:
    """A RAM role."""

    account: str
    id: str
    name: str
    trust: Policy
    policies: dict[str, Policy]
    max_session_seconds: int

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"acs:ram::{self.account}:role/{self.name}"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An OIDC provider of RAM."""

    arn: str
    issuer: str
    client_ids: tuple[str, ...]


class Accounts:
    """What tests have created, by ARN and by key ID."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}
        self._users: dict[str, User] = {}
        self._keys: dict[str, AccessKey] = {}
        self._providers: dict[str, IdentityProvider] = {}

    def create_provider(
        self, *, name: str, issuer: str, client_ids: Sequence[str], account: str
    ) -> IdentityProvider:
        """Create an OIDC provider; replaces one with the same name."""
        arn = f"acs:ram::{account}:oidc-provider/{name}"
        provider = IdentityProvider(arn=arn, issuer=issuer, client_ids=tuple(client_ids))
        self._providers[arn] = provider
        return provider

    def delete_provider(self, *, arn: str) -> None:
        """Delete an OIDC provider; a missing one is not an error."""
        self._providers.pop(arn, None)

    def provider(self, arn: str) -> IdentityProvider | None:
        """The provider with that ARN."""
        return self._providers.get(arn)

    def create_role(
        self,
        *,
        name: str,
        trust_policy: Mapping[str, Any],
        policies: Mapping[str, Mapping[str, Any]],
        max_session_seconds: int,
        account: str,
    ) -> str:
        """Create a role and return its ARN; raises for a malformed policy."""
        role = Role(
            account=account,
            id=_number("3"),
            name=name,
            trust=ram_policies.parse(json.dumps(trust_policy), trust=True),
            policies=_parsed(policies),
            max_session_seconds=max_session_seconds,
        )
        self._roles[role.arn] = role
        return role.arn

    def put_trust_policy(self, *, arn: str, trust_policy: Mapping[str, Any]) -> None:
        """Replace a role's trust policy."""
        self._roles[arn].trust = ram_policies.parse(json.dumps(trust_policy), trust=True)

    def put_role_policy(self, *, arn: str, name: str, document: Mapping[str, Any]) -> None:
        """Add or replace a policy of a role."""
        self._roles[arn].policies[name] = ram_policies.parse(json.dumps(document))

    def delete_role(self, *, arn: str) -> None:
        """Delete a role; its sessions remain valid, without any permission."""
        del self._roles[arn]

    def role(self, arn: str) -> Role | None:
        """The role with that ARN."""
        return self._roles.get(arn)

    def create_user(
        self, *, name: str | None, policies: Mapping[str, Mapping[str, Any]], account: str
    ) -> User:
        """Create a user with policies; without a name, the account itself with all permissions."""
        user = User(
            account=account,
            id=account if name is None else _number("2"),
            name=name,
            policies=(ram_policies.EVERYTHING,) if name is None else (*_parsed(policies).values(),),
        )
        self._users[user.arn] = user
        return user

    def user(self, arn: str) -> User | None:
        """The user with that ARN."""
        return self._users.get(arn)

    def create_access_key(self, user: User) -> AccessKey:
        """Create an access key of a user."""
        key = AccessKey(id="LTAI5t" + _letters(18), secret=_letters(30), user=user)
        self._keys[key.id] = key
        return key

    def set_access_key_active(self, *, access_key_id: str, active: bool) -> None:
        """Enable or disable an access key."""
        self._keys[access_key_id].active = active

    def delete_access_key(self, *, access_key_id: str) -> None:
        """Delete an access key."""
        del self._keys[access_key_id]

    def access_key(self, access_key_id: str) -> AccessKey | None:
        """The access key with that ID, active or not."""
        return self._keys.get(access_key_id)

    def secrets(self) -> Iterator[str]:
        """The secrets of all access keys."""
        for key in self._keys.values():
            yield key.secret


def _parsed(policies: Mapping[str, Mapping[str, Any]]) -> dict[str, Policy]:
    return {name: ram_policies.parse(json.dumps(body)) for name, body in policies.items()}


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


def _number(first: str) -> str:
    """Generate an ID of a user or a role: eighteen digits."""
    return first + "".join(secrets.choice(string.digits) for _ in range(17))
