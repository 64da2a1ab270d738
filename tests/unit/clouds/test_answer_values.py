"""What a cloud answers is checked against the vendor's format, and never quoted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.api_calls import account_of
from keywright.clouds.alibaba.credentials import parse_credentials
from keywright.clouds.alibaba.sts.client import Endpoint, StsCalls, StsError
from keywright.clouds.answer_values import moment, parsed_moment
from keywright.clouds.aws.sts.sessions import caller_of, session_of
from keywright.clouds.http import HttpResponse, Timeouts
from tests.unit.clouds.alibaba.contexts import KEY, Scripted, ScriptedHttp, refused
from tests.unit.clouds.aws.contexts import bare
from tests.unit.fakes.clock import NOON, FakeClock
from tests.unit.replace import replace

URL = "https://sts.cn-hangzhou.aliyuncs.com/"
AT = Endpoint("sts.cn-hangzhou.aliyuncs.com", Timeouts(1, 1), "chat")
AWS = {
    "Credentials": {
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "SessionToken": "IQoJb3JpZ2luX2VjEJr=",
        "Expiration": NOON + timedelta(hours=1),
    },
    "AssumedRoleUser": {"Arn": "arn:aws:sts::123456789012:assumed-role/chat/chat.source"},
}
ALIBABA = {
    "Code": "Success",
    "AccessKeyId": "STS.NUgYrLnoC37mZZCNnAbez",
    "AccessKeySecret": "CVwjCkNzTMupZ8NbTCxCBRq3K16jtcWFTJAyBEv2",
    "SecurityToken": "CAIShwJ1q6Ft5B2yfSjIr5bkIeaBrqyk7aFiA==",
    "Expiration": "2026-11-22T13:00:00Z",
}
HOSTILE = [
    *("planted\ncredential_process = sh", "planted\r", "planted x", "planted\t", "planted\x00"),
    *("plant\u00e9d", "planted\u2028", 'planted"', "planted'", "planted#", "planted$(x)", ""),
    *("p" * 20_000, None, 7, ["planted"], {"planted": 1}, b"planted", True),
]


def _with(whole: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    return {**whole, head: _with(whole[head], rest, value) if rest else value}


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "path",
    [
        "Credentials.AccessKeyId",
        "Credentials.SecretAccessKey",
        "Credentials.SessionToken",
        "Credentials.Expiration",
        "AssumedRoleUser.Arn",
        "Credentials",
        "AssumedRoleUser",
    ],
)
def test_an_answer_of_aws_has_awss_format(path: str, value: object) -> None:
    """A passing failure with a class and a reason, whatever stands there."""
    assert session_of(AWS, issued_at=NOON).access_key_id == "ASIAIOSFODNN7EXAMPLE"
    with pytest.raises(Failure) as caught:
        session_of(_with(AWS, path, value), issued_at=NOON)
    assert caught.value.kind is FailureClass.TRANSIENT
    assert "plant" not in caught.value.message_with_remedy()


@pytest.mark.parametrize("value", HOSTILE)
def test_a_caller_of_aws_has_awss_format(value: Any) -> None:
    """ARN and account become parts of ids."""
    good = {"Arn": "arn:aws:iam::123456789012:user/a", "Account": "123456789012"}
    assert caller_of(good).account_id == "123456789012"
    for name in good:
        with pytest.raises(Failure):
            caller_of({**good, name: value})


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"])
async def test_an_answer_of_alibaba_cloud_has_its_format(name: str, value: Any) -> None:
    """Of STS, of metadata services and of credentials URIs."""
    if isinstance(value, bytes):
        value = value.decode()
        value += "\n"
    whole = {**ALIBABA, name: value}
    answer = {"Credentials": whole, "AssumedRoleUser": {"Arn": "acs:ram::1:assumed-role/a/b"}}
    sts = StsCalls(
        ScriptedHttp({URL: HttpResponse(200, json.dumps(answer).encode())}), clock=FakeClock()
    )
    with pytest.raises((Failure, StsError)) as caught:
        await sts.assume_role({}, by=bare(), at=AT)
    assert "plant" not in str(caught.value)
    if not (name == "SecurityToken" and value == ""):
        # A credentials URI may give out a key without a token.
        assert parse_credentials(json.dumps(whole).encode()) is None


@pytest.mark.parametrize("account", ["1;$(planted)", "`planted`", "planted", "1 2", "9" * 21])
async def test_the_account_of_alibaba_cloud_is_a_number(account: str) -> None:
    """Alone and within the ARN, out of which `${accountId}` of templates comes."""
    arns = [f"acs:ram::{account}:user/a", "acs:ram::1234567890123456:user/a"]
    for arn, number in ((arns[0], "1234567890123456"), (arns[1], account)):
        answer = json.dumps({"Arn": arn, "AccountId": number, "IdentityType": "RAMUser"})
        sts = StsCalls(ScriptedHttp({URL: HttpResponse(200, answer.encode())}), clock=FakeClock())
        with pytest.raises(Failure, match="no valid") as caught:
            await sts.caller(bare(), at=AT)
        assert "planted" not in str(caught.value)
    assert account_of(replace(bare(), identity=arns[0])) == ""
    assert account_of(replace(bare(), identity=arns[1])) == "1234567890123456"


def test_an_end_without_a_zone_is_utc() -> None:
    """As both vendors mean it; one of another century, or none at all, is no answer."""
    assert moment(datetime(2026, 1, 1), what="Expiration") == datetime(2026, 1, 1, tzinfo=UTC)  # noqa: DTZ001  the point
    assert parsed_moment("2026-01-01T00:00:00", what="E") == datetime(2026, 1, 1, tzinfo=UTC)
    naive = _with(AWS, "Credentials.Expiration", datetime(2026, 11, 22, 13))  # noqa: DTZ001  as above
    assert session_of(naive, issued_at=NOON).expires_at == NOON + timedelta(hours=1)
    for text in ("0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "soon", ""):
        with pytest.raises(Failure):
            parsed_moment(text, what="Expiration")


@pytest.mark.parametrize("key", KEY)
async def test_a_key_in_a_secret_has_the_vendors_format(key: str) -> None:
    """The owner of a shared source must not add lines to the files of those who use it."""
    secrets = {"key": {**KEY, key: "planted\nx = y"}}
    failure = await refused(Scripted(secrets=secrets), accessKey={"secretRef": {"name": "key"}})
    assert (failure.kind, failure.reason) == (FailureClass.CONFIGURATION, "InvalidKeyFormat")
    assert key in failure.message


def test_nothing_of_a_value_is_shown() -> None:
    """Neither by a session nor by what it is made of."""
    made = session_of(AWS, issued_at=NOON)
    assert "wJalr" not in repr(made)
    assert made.secret_access_key == Sensitive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
