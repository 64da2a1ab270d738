"""The metadata service of a node at 100.100.100.200: the credentials of the node's role.

"Instance metadata" in the documentation of ECS. In hardened mode (v2) each request needs a token
from a PUT request; v1 needs none, and can be disabled.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from testbed.clouds.alibaba import answers
from testbed.clouds.errors import CloudError
from testbed.clouds.policies import Effect
from testbed.clouds.wire import Response

if TYPE_CHECKING:
    from testbed.clouds.alibaba.accounts import Accounts, Role
    from testbed.clouds.alibaba.sessions import Session, Sessions
    from testbed.clouds.clock import Clock
    from testbed.clouds.wire import Entry, Request

HOST = "100.100.100.200"
_TOKEN_PATH = "/latest/api/token"  # noqa: S105  not a secret: a path
_CREDENTIALS_PATH = "/latest/meta-data/ram/security-credentials/"
_TTL_HEADER = "x-aliyun-ecs-metadata-token-ttl-seconds"
_TOKEN_HEADER = "x-aliyun-ecs-metadata-token"  # noqa: S105  not a secret: the name of a header
_LONGEST_TTL_SECONDS = 21600
_LASTS_SECONDS = 6 * 3600
_RENEWED_BEFORE_SECONDS = 30 * 60
_INSTANCE = "i-bp1234567890abcdefgh"


class Metadata:
    """The metadata service of one node."""

    name = "metadata"

    def __init__(self, *, accounts: Accounts, sessions: Sessions, clock: Clock) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock
        self._tokens: dict[str, float] = {}
        self._role_arn: str | None = None
        self._session: Session | None = None
        self._v1 = True

    def attach_role(self, *, arn: str | None) -> None:
        """Attach a role to the node, None for none; raises unless the role trusts ECS."""
        role = None if arn is None else self._accounts.role(arn)
        if arn is not None and (role is None or not _trusts_ecs(role)):
            raise LookupError(f"{arn} is no role that trusts the service ecs.aliyuncs.com")
        self._role_arn, self._session = arn, None

    def allow_v1(self, *, allowed: bool) -> None:
        """Set whether requests without a token are answered."""
        self._v1 = allowed

    def secrets(self) -> set[str]:
        """All issued tokens."""
        return set(self._tokens)

    def action(self, request: Request) -> str:
        """A name for the call log."""
        if request.path == _TOKEN_PATH:
            return "CreateToken"
        return "GetRoleName" if request.path == _CREDENTIALS_PATH else "GetCredentials"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """A token, the role's name or its credentials; the call log has the request's version."""
        if action == "CreateToken":
            return self._create_token(request)
        entry.parameters["version"] = self._version(request)
        role = None if self._role_arn is None else self._accounts.role(self._role_arn)
        if role is None:
            raise _not_found()
        if action == "GetRoleName":
            return _text(role.name)
        if request.path != _CREDENTIALS_PATH + role.name:
            raise _not_found()
        session = self._current(role)
        entry.principal, entry.session = session.arn, session.access_key_id
        return _text(
            json.dumps(
                {
                    "AccessKeyId": session.access_key_id,
                    "AccessKeySecret": session.secret_key,
                    "Expiration": answers.time_text(session.expires_at),
                    "SecurityToken": session.token,
                    "LastUpdated": answers.time_text(session.issued_at),
                    "Code": "Success",
                }
            )
        )

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """The refusal as text."""
        return _text(error.message, status=error.status)

    def _create_token(self, request: Request) -> Response:
        ttl = request.header(_TTL_HEADER) or ""
        if request.method != "PUT" or not ttl.isdigit():
            raise CloudError("BadRequest", "400 - Bad Request")
        if not 1 <= int(ttl) <= _LONGEST_TTL_SECONDS:
            raise CloudError("BadRequest", "400 - Bad Request")
        token = secrets.token_urlsafe(40)
        self._tokens[token] = self._clock.now() + int(ttl)
        return _text(token)

    def _version(self, request: Request) -> str:
        token = request.header(_TOKEN_HEADER)
        if token is None and self._v1:
            return "v1"
        if token is None or self._tokens.get(token, 0.0) <= self._clock.now():
            raise CloudError("Forbidden", "403 - Forbidden", status=403)
        return "v2"

    def _current(self, role: Role) -> Session:
        """The session of the node, renewed half an hour before expiry, or at half its lifetime."""
        session = self._session
        if session is not None:
            life = session.expires_at - session.issued_at
            left = session.expires_at - self._clock.now()
            if left > min(_RENEWED_BEFORE_SECONDS, life / 2):
                return session
        self._session = self._sessions.issue(
            role, name=_INSTANCE, duration_seconds=_LASTS_SECONDS, policy=None
        )
        return self._session


def _trusts_ecs(role: Role) -> bool:
    effect = role.trust.effect(
        action="sts:AssumeRole",
        resource=role.arn,
        context={},
        trusted=("Service", frozenset({"ecs.aliyuncs.com"})),
    )
    return effect is Effect.ALLOW


def _not_found() -> CloudError:
    return CloudError("NotFound", "404 - Not Found", status=404)


def _text(text: str, *, status: int = 200) -> Response:
    return Response(status, text.encode(), "text/plain")
