"""The caller: a user, the account itself, or a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.clouds.alibaba import ram_policies, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.alibaba.accounts import AccessKey, Accounts
    from testbed.clouds.alibaba.sessions import Session, Sessions
    from testbed.clouds.clock import Clock
    from testbed.clouds.errors import CloudError
    from testbed.clouds.policies import Policy


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, with the secret that verifies its signature.

    `owner_arn` is the user, or the role of the session; `role_id` is None for a user.
    """

    arn: str
    owner_arn: str
    account: str
    principal_id: str
    role_id: str | None
    secret_key: str = field(repr=False)
    policies: tuple[Policy, ...] = field(repr=False)
    session_policy: Policy | None = field(repr=False)

    @property
    def is_root(self) -> bool:
        """Whether the account itself is the caller."""
        return self.arn.endswith(":root")

    def names(self) -> frozenset[str]:
        """The values of Principal: RAM in a trust policy that match this caller."""
        return frozenset({f"acs:ram::{self.account}:root", self.owner_arn, self.arn})

    def may(self, action: str, *, resource: str, context: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether the caller's own policies allow the action."""
        return ram_policies.allowed(
            identity=self.policies,
            session=self.session_policy,
            action=action,
            resource=resource,
            context=context,
        )


class Principals:
    """Finds the owner of an access key and its security token."""

    def __init__(self, *, accounts: Accounts, sessions: Sessions, clock: Clock) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock

    def find(self, access_key_id: str, *, token: str | None) -> Principal:
        """The owner; raises CloudError for an invalid key or token."""
        session = self._sessions.find(access_key_id)
        if session is not None:
            self._check(session, token=token)
            return self._of_session(session)
        key = self._accounts.access_key(access_key_id)
        if key is None:
            raise refusals.access_key_not_found()
        if not key.active:
            raise refusals.access_key_inactive()
        if token:
            raise self._wrong(token)
        return _of_key(key)

    def _check(self, session: Session, *, token: str | None) -> None:
        over = session.expires_at <= self._clock.now()
        if session.token is None:
            if token:
                raise self._wrong(token)
            if over:
                raise refusals.access_key_not_found()
            return
        if not token:
            raise refusals.missing_security_token()
        if token != session.token:
            raise self._wrong(token)
        if over:
            raise refusals.security_token_expired()

    def _wrong(self, token: str) -> CloudError:
        if self._sessions.has_token(token):
            return refusals.security_token_mismatch()
        return refusals.security_token_malformed()

    def _of_session(self, session: Session) -> Principal:
        if session.role_id is None:
            user = self._accounts.user(session.owner_arn)
            policies = () if user is None else user.policies
        else:
            role = self._accounts.role(session.owner_arn)
            # the sessions of a deleted role stay without one, even if another has its name by now
            known = role is not None and role.id == session.role_id
            policies = (*role.policies.values(),) if role is not None and known else ()
        return Principal(
            arn=session.arn,
            owner_arn=session.owner_arn,
            account=session.account,
            principal_id=session.principal_id,
            role_id=session.role_id,
            secret_key=session.secret_key,
            policies=policies,
            session_policy=session.policy,
        )


def _of_key(key: AccessKey) -> Principal:
    return Principal(
        arn=key.user.arn,
        owner_arn=key.user.arn,
        account=key.user.account,
        principal_id=key.user.id,
        role_id=None,
        secret_key=key.secret,
        policies=key.user.policies,
        session_policy=None,
    )
