"""The issued sessions of the emulator: each with its own key, expiry, and policies."""

from __future__ import annotations

import base64
import dataclasses
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testbed.clouds.aws.accounts import Role
    from testbed.clouds.clock import Clock
    from testbed.clouds.policies import Policy

_KEY_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TOKEN_BYTES = 540  # real session tokens have about 700 to 1000 characters


@dataclass(frozen=True, slots=True)
class Session:
    """A role session. `policies` None means no session policy: only the role's policies apply.

    `scopes` are the policies of GetScopedCredentials, each of which limits the session further.
    """

    access_key_id: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    account: str
    role_arn: str
    role_name: str
    role_id: str
    name: str
    issued_at: float
    expires_at: float
    policies: tuple[Policy, ...] | None
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive_tag_keys: frozenset[str] = frozenset()
    source_identity: str | None = None
    scopes: tuple[Policy, ...] = ()

    @property
    def arn(self) -> str:
        """The ARN of the assumed role session."""
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role_name}/{self.name}"

    @property
    def user_id(self) -> str:
        """The unique ID: the role's, then the session's name."""
        return f"{self.role_id}:{self.name}"


class Sessions:
    """All issued sessions; an expired one stays known, so that it is reported as expired."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self.limit_seconds: float | None = None

    def now(self) -> float:
        """The time by which sessions expire, as a Unix time."""
        return self._clock.now()

    def issue(
        self,
        role: Role,
        *,
        name: str,
        duration_seconds: int,
        policies: tuple[Policy, ...] | None,
        tags: Mapping[str, str] | None = None,
        transitive_tag_keys: frozenset[str] = frozenset(),
        source_identity: str | None = None,
    ) -> Session:
        """Issue a session of `role`, which expires after `limit_seconds` if that is set."""
        now = self._clock.now()
        lasts = duration_seconds if self.limit_seconds is None else self.limit_seconds
        session = Session(
            access_key_id=_new_key_id(),
            secret_key=_new_secret(),
            token=_new_token(),
            account=role.account,
            role_arn=role.arn,
            role_name=role.name,
            role_id=role.id,
            name=name,
            issued_at=now,
            # Expiration is returned in whole seconds, and enforced as returned
            expires_at=math.ceil(now + lasts),
            policies=policies,
            tags=tags or {},
            transitive_tag_keys=transitive_tag_keys,
            source_identity=source_identity,
        )
        self._sessions[session.access_key_id] = session
        return session

    def scope_down(
        self, session: Session, *, policy: Policy | None, expires_at: float | None
    ) -> Session:
        """Issue other credentials for the same identity, limited by the policy."""
        scoped = dataclasses.replace(
            session,
            access_key_id=_new_key_id(),
            secret_key=_new_secret(),
            token=_new_token(),
            issued_at=self._clock.now(),
            expires_at=session.expires_at if expires_at is None else math.ceil(expires_at),
            scopes=session.scopes if policy is None else (*session.scopes, policy),
        )
        self._sessions[scoped.access_key_id] = scoped
        return scoped

    def find(self, access_key_id: str) -> Session | None:
        """The session with that access key ID, expired or not."""
        return self._sessions.get(access_key_id)

    def all(self) -> Iterator[Session]:
        """All sessions, in the order of issue."""
        yield from self._sessions.values()

    def secrets(self) -> Iterator[str]:
        """The secret keys and tokens of all sessions."""
        for session in self._sessions.values():
            yield from (session.secret_key, session.token)

    def revoke(self, access_key_id: str) -> bool:
        """Revoke a session; False if there is no such session."""
        session = self._sessions.get(access_key_id)
        if session is None:
            return False
        self._sessions[access_key_id] = dataclasses.replace(session, expires_at=0.0)
        return True


def _new_key_id() -> str:
    return "ASIA" + "".join(secrets.choice(_KEY_ID_LETTERS) for _ in range(16))


def _new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(30)).decode()


def _new_token() -> str:
    return "IQoJb3JpZ2luX2Vj" + base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode()
