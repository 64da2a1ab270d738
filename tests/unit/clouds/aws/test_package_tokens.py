"""Tokens of CodeArtifact: what is requested, and what becomes of a response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typing_extensions import override

from keywright.api.errors import Failure, FailureClass
from keywright.api.registry_tokens import CodeArtifactToken
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.aws.codeartifact.tokens import accepts_session, mint
from keywright.clouds.interfaces import IssuedKey
from tests.unit.api.samples import grant, source
from tests.unit.clouds.aws.contexts import ScriptedSts, context
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.provider import session

_FIELDS = {"domain": "my-domain", "domain_owner": "123456789012", "repository": "packages"}
_GOOD: dict[str, Any] = {
    "authorizationToken": "eyJ2ZXIiOjF9.planted.planted.planted.planted",
    "expiration": NOON + timedelta(hours=12),
}


class _Service(BotoClients):
    """Answers each call, or raises the failure."""

    def __init__(self, answer: dict[str, Any], failure: Exception | None = None) -> None:
        self.answer = answer
        self.failure = failure
        self.requested: list[dict[str, Any]] = []

    @override
    async def run(self, service: str, call: Callable[[Any], Any], **_: Any) -> Any:
        assert service == "codeartifact"
        return call(self)

    def get_authorization_token(self, **request: Any) -> dict[str, Any]:
        self.requested.append(request)
        if self.failure is not None:
            raise self.failure
        return self.answer


async def _mint(service: _Service, *, least: float = 0, **fields: Any) -> IssuedKey:
    found = context(ScriptedSts())
    return await mint(
        CodeArtifactToken(**{**_FIELDS, **fields}),
        grant=grant(),
        source=source(),
        session=session(issued_at=NOON),
        region="us-west-2",
        account_id="123456789012",
        context=replace(found, calls=service, min_lifetime=timedelta(seconds=least)),
    )


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [({}, 43_200), ({"duration": "15m"}, 900), ({"bound_to_session": True}, 0)],
)
async def test_the_service_is_asked_for_the_lifetime(fields: dict[str, Any], seconds: int) -> None:
    """And for the domain; what counts is the expiry in the response."""
    service = _Service(_GOOD)
    issued_key = await _mint(service, **fields)
    assert service.requested == [
        {"domain": "my-domain", "domainOwner": "123456789012", "durationSeconds": seconds}
    ]
    assert issued_key.credential.expires_at == NOON + timedelta(hours=12)
    assert "planted" not in repr(issued_key)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"authorizationToken": _GOOD["authorizationToken"]},
        {**_GOOD, "authorizationToken": "planted with a blank"},
        {**_GOOD, "authorizationToken": "planted\nindex-url=https://planted.test"},
        {**_GOOD, "authorizationToken": "planted@planted.test"},
        {**_GOOD, "authorizationToken": "p" * 20_000},
        {**_GOOD, "authorizationToken": ["planted"]},
        {**_GOOD, "expiration": "planted"},
        {**_GOOD, "expiration": NOON.replace(year=9000)},
    ],
)
async def test_a_response_that_is_none_is_refused(answer: dict[str, Any]) -> None:
    """Nothing of it is quoted: it ends up in files of other namespaces."""
    with pytest.raises(Failure) as refused:
        await _mint(_Service(answer))
    assert refused.value.reason == "InvalidAnswer"
    assert "planted" not in refused.value.message_with_remedy()


@pytest.mark.parametrize(
    ("life", "reason"),
    [(timedelta(seconds=-1), "CredentialsExpired"), (timedelta(seconds=59), "LifetimeTooShort")],
)
async def test_a_token_that_nobody_can_use_is_refused(life: timedelta, reason: str) -> None:
    """One that is over, or could not be renewed in time."""
    with pytest.raises(Failure) as refused:
        await _mint(_Service({**_GOOD, "expiration": NOON + life}), least=60)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("failure", "kind", "field"),
    [
        (
            ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "m"}}, "o"),
            FailureClass.CONFIGURATION,
            "spec.codeArtifactToken.domain",
        ),
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "m"}}, "o"),
            FailureClass.DENIED,
            "CredentialSource spec.aws",
        ),
        (
            EndpointConnectionError(endpoint_url="https://codeartifact.xx-none-1.amazonaws.com/"),
            FailureClass.TRANSIENT,
            "spec.codeArtifactToken.region",
        ),
        (ValueError("planted"), FailureClass.TRANSIENT, "CredentialSource spec.aws"),
    ],
)
async def test_a_refusal_names_what_to_change(
    failure: Exception, kind: FailureClass, field: str
) -> None:
    """By its code; an exception of another kind is not quoted."""
    with pytest.raises(Failure) as refused:
        await _mint(_Service(_GOOD, failure))
    assert (refused.value.kind, refused.value.field) == (kind, field)
    assert "planted" not in refused.value.message_with_remedy()


@pytest.mark.parametrize(
    ("bound", "minutes", "expected"),
    [(False, 59, True), (False, 60, False), (True, 6, True), (True, 7, False)],
)
def test_only_a_token_that_ends_with_its_session_needs_a_fresh_one(
    *, bound: bool, minutes: int, expected: bool
) -> None:
    """So that it is not short-lived from birth."""
    key = CodeArtifactToken(**_FIELDS, bound_to_session=bound)
    now = NOON + timedelta(minutes=minutes)
    assert accepts_session(key, session=session(issued_at=NOON), now=now) is expected
