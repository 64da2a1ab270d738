"""What identities of Alibaba Cloud reach for, as a test has written it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from keywright.api.errors import Failure
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.api_calls import ApiCalls
from keywright.clouds.alibaba.context import AlibabaContext
from keywright.clouds.alibaba.provider import IDENTITIES
from keywright.clouds.alibaba.sts.client import Endpoint, StsCalls, StsError, TemporaryCredentials
from keywright.clouds.alibaba.sts.rpc import Parameters, Signer
from keywright.clouds.endpoints import AllowedUris
from keywright.clouds.http import HttpClient, HttpResponse, Timeouts
from keywright.clouds.interfaces import DEFAULT_OPTIONS, DefaultCredentials, Session, SessionOptions
from tests.unit.api.samples import parsed_source
from tests.unit.clouds.aws.contexts import Secrets
from tests.unit.fakes.clock import NOON, FakeClock

ACCOUNT = "1234567890123456"
USER = f"acs:ram::{ACCOUNT}:user/deploy"
ROLE = f"acs:ram::{ACCOUNT}:role/chat"
PROVIDER = f"acs:ram::{ACCOUNT}:oidc-provider/ack-rrsa"
KEY = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tExample",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "planted\n",
}


class ScriptedHttp(HttpClient):
    """Answers by URL, notes what was asked; an exception is raised instead."""

    def __init__(self, answers: Mapping[str, HttpResponse | Exception] | None = None) -> None:
        super().__init__()
        self.answers = dict(answers or {})
        self.requested: list[tuple[str, str, Mapping[str, str], Timeouts]] = []

    @override
    async def request(
        self,
        method: str,
        url: str,
        *,
        limits: Timeouts,
        reach: Reach,
        tenant: str,
        body: str | None = None,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        self.requested.append((method, url, headers or {}, limits))
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedSts(StsCalls):
    """Gives a session of an hour for every call, notes what was asked, or raises `failure`."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(HttpClient(), clock=clock)
        self.requested: list[tuple[str, Mapping[str, str], str, Endpoint]] = []
        self.failure: StsError | None = None
        self.life = timedelta(hours=1)

    def _issued(
        self, action: str, requested: Parameters, *, by: str, at: Endpoint
    ) -> TemporaryCredentials:
        self.requested.append((action, dict(requested), by, at))
        if self.failure is not None:
            raise self.failure
        number = len(self.requested)
        return TemporaryCredentials(
            access_key_id=f"STS.{number}",
            secret=Sensitive("planted"),
            token=Sensitive("planted"),
            expires_at=NOON + self.life,
            arn=f"acs:ram::{ACCOUNT}:assumed-role/chat/{number}",
        )

    @override
    async def assume_role(
        self, requested: Parameters, *, by: Session, at: Endpoint
    ) -> TemporaryCredentials:
        return self._issued("AssumeRole", requested, by=by.access_key_id, at=at)

    @override
    async def assume_role_with_oidc(
        self, requested: Parameters, *, at: Endpoint
    ) -> TemporaryCredentials:
        return self._issued("AssumeRoleWithOIDC", requested, by="", at=at)

    @override
    async def generate_session_access_key(
        self, requested: Parameters, *, signer: Signer, at: Endpoint
    ) -> TemporaryCredentials:
        by = signer.parameters()["AccessKeyId"]
        return self._issued("GenerateSessionAccessKey", requested, by=by, at=at)

    @override
    async def caller(self, by: Session, *, at: Endpoint) -> tuple[str, str]:
        self.requested.append(("GetCallerIdentity", {}, by.access_key_id, at))
        return USER, ACCOUNT


@dataclass
class Tokens:
    """One ServiceAccount, `chat`."""

    notes: Mapping[str, str] = field(default_factory=dict)
    requested: list[tuple[str, str, str]] = field(default_factory=list)

    async def token(
        self, *, namespace: str, name: str, audience: str, seconds: int = 600
    ) -> Sensitive:
        """A token that is none."""
        assert seconds == 600
        self.requested.append((namespace, name, audience))
        return Sensitive("planted.token")

    async def annotations(self, *, namespace: str, name: str) -> dict[str, str]:
        """What the test has written down."""
        assert (namespace, name) == ("chat", "chat")
        return dict(self.notes)


@dataclass(frozen=True)
class Own:
    """The operator's own identity."""

    found: Session | None

    async def session(self, *, now: object) -> Session | None:
        """As it stands."""
        del now
        return self.found


@dataclass
class Scripted:
    """All edges, and what was asked of them."""

    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, HttpResponse | Exception] = field(default_factory=dict)
    uris: tuple[str, ...] = ()
    own: DefaultCredentials | None = None

    def __post_init__(self) -> None:
        """The clock shows noon."""
        self.clock = FakeClock()
        self.sts = ScriptedSts(self.clock)
        self.http = ScriptedHttp(self.answers)
        self.tokens = Tokens(self.notes)

    @property
    def context(self) -> AlibabaContext:
        """As identities get them."""
        return AlibabaContext(
            tokens=self.tokens,
            secrets=Secrets(self.secrets),
            sts=self.sts,
            api=ApiCalls(self.http, clock=self.clock),
            http=self.http,
            clock=self.clock,
            uris=AllowedUris(self.uris),
            own=self.own,
        )


def alibaba(**spec: Any) -> CredentialSource:
    """A source of the namespace `chat` with this in `alibabaCloud`."""
    return parsed_source(
        {
            "metadata": {"namespace": "chat", "name": "source", "uid": "s", "generation": 1},
            "spec": {"alibabaCloud": {"regionId": "cn-hangzhou", **spec}},
        }
    )


async def opened(
    scripted: Scripted, *, ask: SessionOptions = DEFAULT_OPTIONS, **spec: Any
) -> Session:
    """The session of a source with this in `alibabaCloud`."""
    source = alibaba(**spec)
    opener = IDENTITIES[type(source.identity)]
    return await opener(source.identity, source=source, ask=ask, context=scripted.context)


async def refused(scripted: Scripted, **spec: Any) -> Failure:
    """The failure, which neither quotes nor carries along anything that was planted."""
    with pytest.raises(Failure) as caught:
        await opened(scripted, **spec)
    assert "planted" not in caught.value.message_with_remedy()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value
