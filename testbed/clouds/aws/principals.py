"""The caller: a user or a session, with the data for its policies and conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.policies import Policy


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, with the secrets that verify its signature.

    `role_arn` is None for a user. A call with an API key has the key's owner as its principal.
    """

    arn: str
    user_id: str
    account: str
    access_key_id: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)
    expires_at: float | None
    identity_policies: tuple[Policy, ...] = field(repr=False)
    session_policies: tuple[Policy, ...] | None = field(repr=False)
    boundary: Policy | None = field(default=None, repr=False)
    role_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive_tag_keys: frozenset[str] = frozenset()
    source_identity: str | None = None
    scopes: tuple[Policy, ...] = field(default=(), repr=False)

    @property
    def is_session(self) -> bool:
        """Whether these are temporary credentials."""
        return self.role_arn is not None

    def names(self) -> frozenset[str]:
        """The values of Principal: AWS in a trust policy that match this caller.

        The account by number or as its root, the user, the role or only this session. "AWS JSON
        policy elements: Principal", IAM user guide. [R]
        """
        named = {self.account, f"arn:aws:iam::{self.account}:root", self.arn}
        return frozenset(named | ({self.role_arn} if self.role_arn else set()))

    def keys(self) -> dict[str, tuple[str, ...]]:
        """The context keys about the caller.

        aws:PrincipalArn is the role's if the caller is a session. "AWS global condition context
        keys", IAM user guide. [R]
        """
        keys: dict[str, tuple[str, ...]] = {
            "aws:principalarn": (self.role_arn or self.arn,),
            "aws:principalaccount": (self.account,),
            "aws:principaltype": ("AssumedRole" if self.is_session else "User",),
            "aws:userid": (self.user_id,),
        }
        keys.update({f"aws:principaltag/{key.lower()}": (v,) for key, v in self.tags.items()})
        if self.source_identity is not None:
            keys["aws:sourceidentity"] = (self.source_identity,)
        return keys
