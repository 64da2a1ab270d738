"""Model Studio in memory: the emulator's keys and API, without a network and with faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from typing_extensions import override

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.acs3 import FORM_TYPE, ApiRequest
from keywright.clouds.alibaba.api_calls import ApiCalls, ApiError, Call
from keywright.clouds.alibaba.modelstudio.keys import ModelStudioKeys
from keywright.clouds.http import HttpClient
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, ManagedKeys, Session
from keywright.clouds.listings import SharedListings
from keywright.planning.state import CloudKey
from testbed.clouds.alibaba.model_studio_keys import ModelStudioKeys as Keys
from testbed.clouds.alibaba.modelstudio import ModelStudio
from testbed.clouds.clock import Clock
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Entry, Request
from tests.unit.clouds.alibaba.contexts import ACCOUNT, Scripted
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.provider import ScriptedProvider
from tests.unit.replace import replace

REGION: Final = "cn-beijing"
_ROLE: Final = f"acs:ram::{ACCOUNT}:assumed-role/chat/chat"


class _TestClock(Clock):
    """The emulator's clock, which shows the time of a test."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    @override
    def now(self) -> float:
        return self._clock.now.timestamp()


class _Open:
    """Any signature is accepted, and everything is allowed."""

    def verify(self, request: Request) -> Any:
        """The role."""
        del request
        return SimpleNamespace(
            arn=_ROLE, account=ACCOUNT, principal_id="1:chat", may=lambda *_, **__: True
        )

    def context(self, request: Request) -> Mapping[str, str]:
        """No conditions."""
        del request
        return {}


class SmallModelStudio(ApiCalls):
    """The calls of one account; `lose` says how many of the next creates do not answer.

    A listing shows a key only after `lag`. `point` is called before and after each request.
    """

    most = 10

    def __init__(self, clock: FakeClock, *, point: Callable[[], None]) -> None:
        super().__init__(HttpClient(), clock=clock)
        self.lag, self.lose = timedelta(0), 0
        self._time, self._point = clock, point
        self._keys = Keys(clock=_TestClock(clock))
        open_: Any = _Open()
        self._service = ModelStudio(keys=self._keys, authentication=open_)

    @property
    def held(self) -> dict[str, CloudKey]:
        """The keys that exist, by the IDs of grants."""
        return {
            f"{ACCOUNT}/{key.region}/{key.id}": CloudKey(
                f"{ACCOUNT}/{key.region}/{key.id}",
                created_at=datetime.fromtimestamp(key.created_at, UTC),
                active=key.enabled,
            )
            for key in self._keys.of(ACCOUNT, REGION)
        }

    @override
    async def send(self, request: ApiRequest, *, call: Call) -> bytes:
        """What the emulator answers."""
        self._point()
        sent = Request(
            host=request.host,
            method=request.method,
            path=urlsplit(request.url).path,
            query=urlencode(request.query),
            headers=(
                ("x-acs-action", request.action),
                ("x-acs-version", request.version),
                ("content-type", FORM_TYPE),
            ),
            body=(request.body or "").encode(),
            source_ip="127.0.0.1",
        )
        try:
            answer = await self._service.answer(sent, action=request.action, entry=Entry())
        except CloudError as error:
            raise ApiError(error.code, error.message, status=error.status) from None
        self._point()
        if request.action == "CreateApiKey" and self.lose:
            self.lose -= 1
            raise ApiError("", "no answer", status=0)
        return self._delayed(answer.body) if request.action == "ListApiKeys" else answer.body

    def _delayed(self, body: bytes) -> bytes:
        found = json.loads(body)
        latest = (self._time.now - self.lag).timestamp() * 1000
        found["apiKeys"] = [key for key in found["apiKeys"] if key["gmtCreate"] <= latest]
        return json.dumps(found).encode()


class ModelStudioProvider(ScriptedProvider):
    """A provider whose managed keys are those of the product, in this Model Studio."""

    def __init__(self, cloud: SmallModelStudio, *, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self._context = replace(
            Scripted().context, api=cloud, clock=clock, listings=SharedListings(clock=clock)
        )
        self._session = Session(
            access_key_id="STS.planted",
            secret_access_key=Sensitive("planted-secret"),
            session_token=Sensitive("planted-token"),
            issued_at=clock.now,
            expires_at=None,
            identity=_ROLE,
        )

    @override
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        key: Any = grant.key
        return ModelStudioKeys(
            key=key,
            grant=grant,
            source=source,
            session=self._session,
            context=self._context,
            evidence=evidence,
        )
