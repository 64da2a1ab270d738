"""Logins to ECR: what becomes of a response, and the hosts that get them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typing_extensions import override

from keywright.api.errors import Failure, FailureClass
from keywright.api.registry_tokens import EcrToken
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.aws.ecr.tokens import accepts_session, mint
from keywright.clouds.interfaces import IssuedKey
from tests.unit.api.samples import grant, source
from tests.unit.clouds.aws.contexts import ScriptedSts, context
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.provider import session

_PASSWORD = "cGxhbnRlZA=="
_ACCOUNT = "123456789012"


def _token(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_GOOD: dict[str, Any] = {
    "authorizationToken": _token(f"AWS:{_PASSWORD}"),
    "proxyEndpoint": f"https://{_ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com",
    "expiresAt": NOON + timedelta(hours=12),
}


class _Service(BotoClients):
    """Answers each call, or raises the failure."""

    def __init__(self, answer: dict[str, Any], failure: Exception | None = None) -> None:
        self.answer = answer
        self.failure = failure

    @override
    async def run(self, service: str, call: Callable[[Any], Any], **_: Any) -> Any:
        assert service == "ecr"
        return call(self)

    def get_authorization_token(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        return self.answer


async def _mint(service: _Service, *, least: float = 0) -> IssuedKey:
    found = context(ScriptedSts())
    return await mint(
        EcrToken(),
        grant=grant(),
        source=source(),
        session=session(issued_at=NOON),
        region="us-west-2",
        account_id="",
        context=replace(found, calls=service, min_lifetime=timedelta(seconds=least)),
    )


async def test_a_login_is_taken_from_the_response() -> None:
    """With the account of its registry, and the expiry; nothing of it is in a repr."""
    issued_key = await _mint(_Service({"authorizationData": [_GOOD]}))
    credential = issued_key.credential
    assert credential.values["apiKey"].reveal() == _PASSWORD
    assert (credential.account_id, credential.expires_at) == (_ACCOUNT, NOON + timedelta(hours=12))
    assert _PASSWORD not in repr(issued_key)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"authorizationData": []},
        {"authorizationData": ["planted"]},
        {"authorizationData": {"planted": _GOOD}},
        *(
            {"authorizationData": [{**_GOOD, **changed}]}
            for changed in (
                {"authorizationToken": None},
                {"authorizationToken": "planted"},
                {"authorizationToken": "p\u00e4nted"},
                {"authorizationToken": _token("AWSplanted")},
                {"authorizationToken": _token("planted:planted")},
                {"authorizationToken": _token("AWS:")},
                {"authorizationToken": _token("AWS:planted planted")},
                {"authorizationToken": _token('AWS:planted"},"planted.test":{"auth":"')},
                {"authorizationToken": _token("AWS:planted\nplanted")},
                {"authorizationToken": _token("AWS:" + "p" * 20_000)},
                {"authorizationToken": base64.b64encode(b"AWS:\xff").decode()},
                {"proxyEndpoint": None},
                {"proxyEndpoint": "https://planted.test"},
                {"proxyEndpoint": f"https://{_ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/planted"},
                {"proxyEndpoint": "https://planted.dkr.ecr.us-west-2.amazonaws.com"},
                {"expiresAt": "planted"},
                {"expiresAt": NOON.replace(year=9000)},
            )
        ),
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
async def test_a_login_that_is_of_no_use_is_refused(life: timedelta, reason: str) -> None:
    """One that is over, or could not be renewed in time."""
    with pytest.raises(Failure) as refused:
        await _mint(
            _Service({"authorizationData": [{**_GOOD, "expiresAt": NOON + life}]}), least=60
        )
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("failure", "kind", "field"),
    [
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "m"}}, "o"),
            FailureClass.DENIED,
            "CredentialSource spec.aws",
        ),
        (
            ClientError({"Error": {"Code": "InvalidParameterException", "Message": "m"}}, "o"),
            FailureClass.CONFIGURATION,
            "spec.ecrToken",
        ),
        (
            EndpointConnectionError(endpoint_url="https://api.ecr.xx-none-1.amazonaws.com/"),
            FailureClass.TRANSIENT,
            "spec.ecrToken.region",
        ),
        (ValueError("planted"), FailureClass.TRANSIENT, "CredentialSource spec.aws"),
    ],
)
async def test_a_refusal_names_what_to_change(
    failure: Exception, kind: FailureClass, field: str
) -> None:
    """By its code; an exception of another kind is not quoted."""
    with pytest.raises(Failure) as refused:
        await _mint(_Service({}, failure))
    assert (refused.value.kind, refused.value.field) == (kind, field)
    assert "planted" not in refused.value.message_with_remedy()


def test_any_session_that_has_not_expired_is_sufficient() -> None:
    """A login does not end with its session."""
    opened = session(issued_at=NOON)
    for minutes, expected in ((59, True), (60, False)):
        now = NOON + timedelta(minutes=minutes)
        assert accepts_session(EcrToken(), session=opened, now=now) is expected


@pytest.mark.parametrize(
    ("region", "account", "hosts"),
    [
        ("us-west-2", _ACCOUNT, [f"{_ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"]),
        ("cn-north-1", _ACCOUNT, [f"{_ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn"]),
        ("us-west-2", None, []),
        ("us-west-2", "planted.test/", []),
    ],
)
def test_a_host_is_of_an_account_and_a_region(
    region: str, account: str | None, hosts: list[str]
) -> None:
    """Each once, with the suffix of the partition; what is no account makes no host."""
    other = f"210987654321.dkr.ecr.{region}.amazonaws.com"
    other += ".cn" if region.startswith("cn-") else ""
    accounts = ("210987654321", _ACCOUNT) if hosts else ("210987654321",)
    found = EcrToken(accounts=accounts).registries(region, account)
    assert found == (*hosts, other)
