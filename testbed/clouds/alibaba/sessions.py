"""The sessions that the emulator gave out: each with a key of its own, an end, and its policy."""

from __future__ import annotations

import base64
import dataclasses
import math
import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clouds.alibaba.accounts import Role, User
    from testbed.clouds.clock import Clock
    from testbed.clouds.policies import Policy

_LETTERS = string.ascii_letters + string.digits
_TOKEN_BYTES = 540  # real tokens have some 600 to 1000 characters


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials of a role, or of the user whose RSA key pair asked for them.

    `token` is None for a user's; `policy` None means no session policy.
    """

    access_key_id: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)
    arn: str
    owner_arn: str
    principal_id: str
    role_id: str | None
    account: str
    issued_at: float
    expires_at: float
    policy: Policy | None


class Sessions:
    """All sessions ever issued; an expired one stays known, so that it is told as expired."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self.limit_seconds: float | None = None

    def issue(
        self, role: Role, *, name: str, duration_seconds: float, policy: Policy | None
    ) -> Session:
        """A new session of a role, ended after `limit_seconds` where that is set."""
        return self._add(
            Session(
                access_key_id="STS." + _letters(25),
                secret_key=_letters(44),
                token="CAIS" + base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode(),
                arn=f"acs:ram::{role.account}:assumed-role/{role.name}/{name}",
                owner_arn=role.arn,
                principal_id=f"{role.id}:{name}",
                role_id=role.id,
                account=role.account,
                issued_at=self._clock.now(),
                expires_at=self._end(duration_seconds),
                policy=policy,
            )
        )

    def issue_to_user(self, user: User, *, duration_seconds: float) -> Session:
        """A new access key for a while, of a user; it has no token."""
        return self._add(
            Session(
                access_key_id="TMPSK." + _letters(25),
                secret_key=_letters(44),
                token=None,
                arn=user.arn,
                owner_arn=user.arn,
                principal_id=user.id,
                role_id=None,
                account=user.account,
                issued_at=self._clock.now(),
                expires_at=self._end(duration_seconds),
                policy=None,
            )
        )

    def find(self, access_key_id: str) -> Session | None:
        """The session of that access key id, ended or not."""
        return self._sessions.get(access_key_id)

    def has_token(self, token: str) -> bool:
        """Whether the token is one of any session."""
        return any(session.token == token for session in self._sessions.values())

    def all(self) -> Iterator[Session]:
        """Every session, in the order they were issued."""
        yield from self._sessions.values()

    def secrets(self) -> Iterator[str]:
        """The secret key and the token of every session."""
        for session in self._sessions.values():
            yield from filter(None, (session.secret_key, session.token))

    def revoke(self, access_key_id: str) -> bool:
        """End a session now; False when there is no such session."""
        session = self._sessions.get(access_key_id)
        if session is None:
            return False
        self._sessions[access_key_id] = dataclasses.replace(session, expires_at=0.0)
        return True

    def _end(self, duration_seconds: float) -> float:
        lasts = duration_seconds if self.limit_seconds is None else self.limit_seconds
        # Expiration is told in whole seconds, and what is told is what holds
        return math.ceil(self._clock.now() + lasts)

    def _add(self, session: Session) -> Session:
        self._sessions[session.access_key_id] = session
        return session


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
