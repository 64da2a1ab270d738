"""What identities reach for, as a test has written it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from typing_extensions import override

from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import AwsContext, BotoClients, Sign
from keywright.clouds.interfaces import DefaultCredentials, Session
from keywright.secrets.references import ReferencedSecret
from tests.unit.fakes.clock import NOON, FakeClock

_Answer = TypeVar("_Answer")
USER = "arn:aws:iam::123456789012:user/deploy"


class ScriptedSts(BotoClients):
    """Answers every call with a session, notes what was asked, or raises `failure`."""

    def __init__(self) -> None:
        self.requested: list[tuple[str, dict[str, Any], str | None]] = []
        self.failure: Exception | None = None
        self.life = timedelta(hours=1)

    @override
    async def run(
        self,
        service: str,
        call: Callable[[Any], _Answer],
        *,
        region: str,
        tenant: str,
        endpoint: str | None = None,
        session: Session | None = None,
        sign: Sign | None = None,
        pace: str | None = None,
        attempts: int = 3,
        source: CredentialSource | None = None,
    ) -> _Answer:
        return call(_Client(self, signed_by=session.access_key_id if session else None))


@dataclass(frozen=True)
class _Client:
    sts: ScriptedSts
    signed_by: str | None

    def _note(self, action: str, request: dict[str, Any]) -> None:
        self.sts.requested.append((action, request, self.signed_by))
        if self.sts.failure is not None:
            raise self.sts.failure

    def assume_role(self, **request: Any) -> dict[str, Any]:
        self._note("assume_role", request)
        number = len(self.sts.requested)
        return {
            "Credentials": self._credentials(number),
            "AssumedRoleUser": {"Arn": f"arn:aws:sts::1:assumed-role/a/{number}"},
        }

    def get_scoped_credentials(self, **request: Any) -> dict[str, Any]:
        self._note("get_scoped_credentials", request)
        return {
            "Credentials": self._credentials(len(self.sts.requested)),
            "SessionInfo": {"ScopedSessionId": "AROA1:a", "Arn": "arn:aws:sts::1:assumed-role/a/b"},
        }

    def _credentials(self, number: int) -> dict[str, Any]:
        return {
            "AccessKeyId": f"ASIA{number}",
            "SecretAccessKey": "planted",
            "SessionToken": "planted",
            "Expiration": NOON + self.sts.life,
        }

    def get_caller_identity(self) -> dict[str, Any]:
        self._note("get_caller_identity", {})
        return {"Arn": USER, "Account": "123456789012"}


class Tokens:
    """There are none."""

    async def token(
        self, *, namespace: str, name: str, audience: str, seconds: int = 600
    ) -> Sensitive:
        """Never asked for."""
        raise AssertionError((namespace, name, audience, seconds))

    async def annotations(self, *, namespace: str, name: str) -> dict[str, str]:
        """Never asked for."""
        raise AssertionError((namespace, name))


@dataclass
class Secrets:
    """The Secrets of one namespace, as they are written down."""

    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    async def value(
        self, *, namespace: str, name: str, key: str, field: str, copied: bool = True
    ) -> Sensitive:
        """One value."""
        del copied
        return (await self.values(namespace=namespace, name=name, field=field)).values[key]

    async def values(self, *, namespace: str, name: str, field: str) -> ReferencedSecret:
        """All of them."""
        assert (namespace, bool(field)) == ("chat", True)
        return ReferencedSecret({key: Sensitive(text) for key, text in self.data[name].items()})


def context(
    sts: ScriptedSts,
    *,
    ambient: DefaultCredentials | None = None,
    now: datetime = NOON,
    **secrets: Mapping[str, str],
) -> AwsContext:
    """All of them; the clock shows noon, or that time."""
    return AwsContext(
        tokens=Tokens(),
        secrets=Secrets(secrets),
        calls=sts,
        clock=FakeClock(now),
        ambient=ambient,
    )


def bare(key: str = "AKIA1", *, token: str | None = None, at: datetime = NOON) -> Session:
    """A long-term access key or, with a token, a session of another user."""
    return Session(
        access_key_id=key,
        secret_access_key=Sensitive("planted"),
        session_token=Sensitive(token) if token else None,
        issued_at=at,
        expires_at=None,
        identity=USER,
    )
