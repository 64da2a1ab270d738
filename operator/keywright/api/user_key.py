"""Long-term API keys of AWS services: what their specs have in common.

Such a key is a service-specific credential of an IAM user. IAM User Guide, "API keys for AWS
services": a user has at most two for each service.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Final

import msgspec
from typing_extensions import override

from keywright.api import checks
from keywright.api.checks import HOUR
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.key_spec import KeySpec, ManagedKeyPolicy
from keywright.api.schema import KeyIdentity, Listed, Policy, Region, SpecStruct, Text
from keywright.api.times import parse_time

CREDENTIALS_PER_USER: Final = 2
_OVERLAP: Final = "1h"


@dataclass(frozen=True, slots=True)
class KeyService:
    """A service that accepts long-term API keys.

    `name` is its ServiceName in IAM, `title` its name for users, `prefix` that of its keys.
    `bearer_actions` are the actions that each use of a key needs, `default_policy` the policy of
    AWS that a created user gets, unless the grant names others.
    """

    name: str
    title: str
    prefix: str
    bearer_actions: tuple[str, ...]
    default_policy: str

    @property
    def word(self) -> str:
        """The title as a word of letters and digits, for the Sid of a statement."""
        short = self.title.removeprefix("Amazon ").removeprefix("AWS ").removesuffix(" on AWS")
        return "".join(filter(str.isalnum, short))


class IamUser(SpecStruct, frozen=True):
    """The IAM user that owns a long-term key."""

    name: Text
    create: bool = True
    path: Text | None = None
    tags: Mapping[str, str] = {}
    permissions_boundary: Text | None = None


class UserKey(KeySpec, frozen=True, kw_only=True):
    """The fields of every long-term API key, and what follows from them."""

    is_managed: ClassVar = True

    user: IamUser
    policy_arns: tuple[Text, ...] | None = None
    inline_policies: Mapping[str, Policy] = {}
    allowed_source_cidrs: Listed[str] = ()
    not_after: str | None = None
    expires_after_days: Annotated[int, msgspec.Meta(ge=1, le=36600)] | None = None
    rotate_every: str | None = None
    overlap: str | None = None
    exclusive: bool = False
    region: Region | None = None

    @property
    def key_service(self) -> KeyService:
        """The service that accepts the key."""
        raise NotImplementedError

    @classmethod
    def service_name_in(cls, spec: Mapping[str, Any]) -> str:
        """The name of the service in IAM, from the key's part of a spec, valid or not."""
        raise NotImplementedError

    @property
    @override
    def service_title(self) -> str:
        """The name of the service."""
        return self.key_service.title

    @property
    @override
    def expires(self) -> bool:
        """Whether IAM sets an expiry."""
        return self.expires_after_days is not None

    @property
    @override
    def managed(self) -> ManagedKeyPolicy:
        """IAM allows two keys per user and service; the default overlap is an hour."""
        rotate = self.rotate_every
        return ManagedKeyPolicy(
            most=CREDENTIALS_PER_USER,
            overlap_seconds=parse_duration(self.overlap or _OVERLAP),
            rotate_seconds=None if rotate is None else parse_duration(rotate),
            exclusive=self.exclusive,
            tagged=self.user.create,
            holder=self.user.name,
        )

    @property
    @override
    def own_region(self) -> str | None:
        """The region field of the key."""
        return self.region

    @override
    def key_identity(self) -> KeyIdentity:
        """The user and the lifetime; policies of the user change without a new key."""
        return {"user": self.user.name, "expiresAfterDays": self.expires_after_days}

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """Tags, durations, policies, addresses and times."""
        field = f"spec.{self.kind}"
        yield from checks.own_tags(f"{field}.user.tags", self.user.tags)
        if self.expires_after_days is None and self.rotate_every is None:
            yield FieldError(
                f"{field}.rotateEvery", "set it, or expiresAfterDays: a key must end somehow"
            )
        yield from checks.duration(f"{field}.rotateEvery", self.rotate_every, least=HOUR)
        yield from checks.duration(f"{field}.overlap", self.overlap)
        yield from checks.shorter(
            f"{field}.overlap", self.overlap, than_field="rotateEvery", than=self.rotate_every
        )
        if self.expires_after_days is not None:
            lifetime = f"{self.expires_after_days}d"
            for name, text in (("rotateEvery", self.rotate_every), ("overlap", self.overlap)):
                yield from checks.shorter(
                    f"{field}.{name}", text, than_field="expiresAfterDays", than=lifetime
                )
        for name, policy in self.inline_policies.items():
            yield from checks.policy(f"{field}.inlinePolicies[{name}]", policy)
        for cidr in self.allowed_source_cidrs:
            try:
                ip_network(cidr)
            except ValueError as error:
                yield FieldError(
                    f"{field}.allowedSourceCidrs", f"{error}: write it like 10.0.0.0/8"
                )
        if self.not_after is not None:
            try:
                parse_time(self.not_after)
            except ValueError:
                yield FieldError(
                    f"{field}.notAfter",
                    f"{self.not_after!r} is no time: write 2027-01-01T00:00:00Z",
                )

    @property
    @override
    def owner_description(self) -> str:
        """The IAM user."""
        return f"IAM user {self.user.name}"

    @property
    @override
    def permissions_boundary(self) -> str | None:
        """The boundary of the user."""
        return self.user.permissions_boundary

    @classmethod
    @override
    def spec_to_revoke(cls, key_ids: Iterator[str], found: object) -> Mapping[str, Any] | None:
        """The user in an ID; the spec may say that it is an existing or an exclusive one.

        Otherwise the tags of the user decide whether it was created for the grant.
        """
        for key_id in key_ids:
            user, _, credential = key_id.partition("/")[2].partition("/")
            if user and credential:
                key = found if isinstance(found, Mapping) else {}
                return {
                    **_user_and_exclusive(key, user),
                    **cls.revocation_fields_in(key),
                    "rotateEvery": "30d",
                }
        return None

    @classmethod
    def revocation_fields_in(cls, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a spec that a revocation needs beside the user; the spec may be invalid.

        Whatever the spec is, a spec of the kind with these fields and the user is valid.
        """
        del spec
        return {}

    @property
    @override
    def revocation_spec(self) -> Mapping[str, Any]:
        """The user; the required rotation interval has no effect."""
        user: dict[str, Any] = {"name": self.user.name, "create": self.user.create}
        if self.user.path is not None:
            user["path"] = self.user.path
        return {"user": user, "rotateEvery": "30d"}


def _user_and_exclusive(key: Mapping[str, Any], name: str) -> dict[str, Any]:
    held = key.get("user")
    if not isinstance(held, Mapping) or held.get("name") != name:
        return {"user": {"name": name}}
    user: dict[str, Any] = {"name": name, "create": held.get("create", True) is True}
    if isinstance(held.get("path"), str):
        user["path"] = held["path"]
    return {"user": user, "exclusive": key.get("exclusive") is True}
