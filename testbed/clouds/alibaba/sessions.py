"""The issued sessions of the emulator: each with its own key, expiry, and policy."""

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
_TOKEN_BYTES = 540  # real tokens have about 600 to 1000 characters


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials of a role, or of the user whose RSA key pair requested them.

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
    """All issued sessions; an expired one stays known, so that it is reported as expired."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self.limit_seconds: float | None = None

    def issue(
        self, role: Role, *, name: str, duration_seconds: float, policy: Policy | None
    ) -> Session:
        """Issue a session of a role, which expires after `limit_seconds` if that is set."""
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
        """Issue a temporary access key of a user, without a token."""
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
        """The session with that access key ID, expired or not."""
        return self._sessions.get(access_key_id)

    def has_token(self, token: str) -> bool:
        """Whether the token belongs to any session."""
        return any(session.token == token for session in self._sessions.values())

    def all(self) -> Iterator[Session]:
        """All sessions, in the order of issue."""
        yield from self._sessions.values()

    def secrets(self) -> Iterator[str]:
        """The secret keys and tokens of all sessions."""
        for session in self._sessions.values():
            yield from filter(None, (session.secret_key, session.token))

    def revoke(self, access_key_id: str) -> bool:
        """Revoke a session; False if there is no such session."""
        session = self._sessions.get(access_key_id)
        if session is None:
            return False
        self._sessions[access_key_id] = dataclasses.replace(session, expires_at=0.0)
        return True

    def _end(self, duration_seconds: float) -> float:
        lasts = duration_seconds if self.limit_seconds is None else self.limit_seconds
        # Expiration is returned in whole seconds, and enforced as returned
        return math.ceil(self._clock.now() + lasts)

    def _add(self, session: Session) -> Session:
        self._sessions[session.access_key_id] = session
        return session


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
