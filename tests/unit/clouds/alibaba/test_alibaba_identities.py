"""What each identity of Alibaba Cloud asks for, and what it makes of the answers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.keys import SessionCredentials
from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba import session_credentials
from keywright.clouds.alibaba.identities.roles import assume_chained_role
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.http import Timeouts
from keywright.clouds.interfaces import DEFAULT_OPTIONS, Session, SessionOptions
from tests.unit.api.samples import grant
from tests.unit.clouds.alibaba.contexts import (
    KEY,
    PROVIDER,
    ROLE,
    USER,
    Scripted,
    alibaba,
    opened,
    refused,
)
from tests.unit.fakes.clock import NOON

REFERENCE = {"secretRef": {"name": "key"}}
POLICY = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
COMPACT = '{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ALWAYS = {"RoleArn": ROLE, "RoleSessionName": "chat.source", "DurationSeconds": "3600"}
HELD = Session(
    access_key_id="LTAI9",
    secret_access_key=Sensitive("planted"),
    session_token=None,
    issued_at=NOON,
    expires_at=None,
    identity="",
)


@pytest.mark.parametrize(
    ("more", "ask", "expected"),
    [
        ({}, DEFAULT_OPTIONS, {}),
        ({"externalId": "x:1"}, DEFAULT_OPTIONS, {"ExternalId": "x:1"}),
        ({"roleSessionName": "me"}, DEFAULT_OPTIONS, {"RoleSessionName": "me"}),
        ({"roleSessionExpiration": "15m"}, DEFAULT_OPTIONS, {"DurationSeconds": "900"}),
        ({"policy": POLICY}, DEFAULT_OPTIONS, {"Policy": COMPACT}),
        (
            {},
            SessionOptions(seconds=1800, policy=POLICY),
            {"DurationSeconds": "1800", "Policy": COMPACT},
        ),
        (
            {"roleSessionExpiration": "2h"},
            SessionOptions(seconds=1800),
            {"DurationSeconds": "1800"},
        ),
    ],
)
async def test_a_role_is_asked_for_as_the_source_and_the_grant_say(
    more: dict[str, Any], ask: SessionOptions, expected: dict[str, str]
) -> None:
    """Every parameter is ours: none comes from anywhere else; policies have no blank too many."""
    scripted = Scripted(secrets={"key": KEY})
    found = await opened(scripted, ask=ask, ramRoleArn={**REFERENCE, "roleArn": ROLE, **more})
    ((action, requested, by, at),) = scripted.sts.requested
    assert (action, by, at.host) == ("AssumeRole", "LTAI5tExample", "sts.cn-hangzhou.aliyuncs.com")
    assert requested == ALWAYS | expected
    assert (found.expires_at, found.chained) == (NOON + timedelta(hours=1), False)


@pytest.mark.parametrize(
    ("spec", "host", "limits"),
    [
        ({}, "sts.cn-hangzhou.aliyuncs.com", Timeouts(10, 5)),
        ({"regionId": "eu-central-1"}, "sts.eu-central-1.aliyuncs.com", Timeouts(10, 5)),
        (
            {"stsEndpoint": "sts-vpc.cn-hangzhou.aliyuncs.com", "connectTimeout": "2s"},
            "sts-vpc.cn-hangzhou.aliyuncs.com",
            Timeouts(2, 5),
        ),
        (
            {"stsEndpoint": "https://sts.example.com", "readTimeout": "500ms"},
            "sts.example.com",
            Timeouts(10, 0.5),
        ),
    ],
)
async def test_sts_is_asked_where_the_source_says(
    spec: dict[str, Any], host: str, limits: Timeouts
) -> None:
    """By default in the source's region, with the patience of the Credentials tool."""
    scripted = Scripted(secrets={"key": KEY})
    await opened(scripted, ramRoleArn={**REFERENCE, "roleArn": ROLE}, **spec)
    at = scripted.sts.requested[0][3]
    assert (at.host, at.limits) == (host, limits)


async def test_a_token_is_of_the_namespace_and_one_audience() -> None:
    """By default sts.aliyuncs.com; it is sent with the provider, and nothing is signed."""
    scripted = Scripted()
    oidc = {
        "serviceAccountRef": {"name": "chat"},
        "oidcProviderArn": PROVIDER,
        "roleArn": ROLE,
        "policy": POLICY,
    }
    await opened(scripted, oidcRoleArn=oidc)
    ((action, requested, _, _),) = scripted.sts.requested
    assert action == "AssumeRoleWithOIDC"
    assert requested == ALWAYS | {
        "Policy": COMPACT,
        "OIDCProviderArn": PROVIDER,
        "OIDCToken": "planted.token",
    }
    assert scripted.tokens.requested == [("chat", "chat", "sts.aliyuncs.com")]


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ({}, "has no annotation pod-identity.alibabacloud.com/role-name"),
        ({"pod-identity.alibabacloud.com/role-name": ROLE}, "is no name of a role"),
        ({"pod-identity.alibabacloud.com/role-name": "chat"}, ""),
    ],
)
async def test_the_role_may_be_the_serviceaccounts_own(notes: dict[str, str], says: str) -> None:
    """ACK's annotation names it, in the account of the provider."""
    scripted = Scripted(notes=notes)
    oidc = {"serviceAccountRef": {"name": "chat"}, "oidcProviderArn": PROVIDER}
    if not says:
        await opened(scripted, oidcRoleArn=oidc)
        assert scripted.sts.requested[0][1]["RoleArn"] == ROLE
        return
    failure = await refused(scripted, oidcRoleArn=oidc)
    assert (failure.kind, failure.reason) == (FailureClass.CONFIGURATION, "NoRoleArn")
    assert says in failure.message


@pytest.mark.parametrize(
    ("way", "data", "reason", "says"),
    [
        ("accessKey", {}, "SecretIncomplete", "has no ALIBABA_CLOUD_ACCESS_KEY_ID"),
        (
            "accessKey",
            {**KEY, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": " \n"},
            "SecretIncomplete",
            "_SECRET",
        ),
        ("sts", KEY, "SecretIncomplete", "has no ALIBABA_CLOUD_SECURITY_TOKEN"),
        ("bearer", KEY, "SecretIncomplete", "has no ALIBABA_CLOUD_BEARER_TOKEN"),
    ],
)
async def test_a_secret_that_lacks_something_is_told(
    way: str, data: dict[str, str], reason: str, says: str
) -> None:
    """The key that is missing, and the field that names the Secret."""
    failure = await refused(Scripted(secrets={"key": data}), **{way: REFERENCE})
    assert (failure.reason, failure.kind) == (reason, FailureClass.CONFIGURATION)
    assert says in failure.message
    assert failure.field == f"CredentialSource spec.alibabaCloud.{way}.secretRef"


async def test_static_credentials_are_proved_and_have_no_end() -> None:
    """With a token or without; the newline of an editor is none of the secret."""
    for more, token in (({}, None), ({"ALIBABA_CLOUD_SECURITY_TOKEN": "planted"}, "planted")):
        scripted = Scripted(secrets={"key": {**KEY, **more}})
        found = await opened(scripted, accessKey=REFERENCE)
        assert found.secret_access_key.reveal() == "planted"
        assert (found.session_token.reveal() if found.session_token else None) == token
        assert (found.expires_at, found.identity) == (None, USER)


async def test_a_hop_of_a_session_is_a_chain() -> None:
    """The hop's own words, the session before as its signer."""
    scripted = Scripted()
    hop = {"roleArn": ROLE, "externalId": "x:1", "roleSessionExpiration": "30m"}
    source = alibaba(accessKey=REFERENCE, assumeRoles=[{"roleArn": ROLE}, hop])
    by = await assume_chained_role(
        0, by=HELD, source=source, ask=DEFAULT_OPTIONS, context=scripted.context
    )
    found = await assume_chained_role(
        1, by=by, source=source, ask=DEFAULT_OPTIONS, context=scripted.context
    )
    assert (by.chained, found.chained) == (False, True)
    _, requested, signed_by, _ = scripted.sts.requested[1]
    assert signed_by == "STS.1"
    assert requested == ALWAYS | {"ExternalId": "x:1", "DurationSeconds": "1800"}
    scripted.sts.failure = StsError("NoPermission", "You are not authorized to do this action")
    with pytest.raises(Failure) as caught:
        await assume_chained_role(
            1, by=by, source=source, ask=DEFAULT_OPTIONS, context=scripted.context
        )
    assert caught.value.field == "CredentialSource spec.alibabaCloud.assumeRoles[1].roleArn"


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("InvalidParameter.PolicyGrammar", "spec.sessionCredentials.policy"),
        ("InvalidParameter.DurationSeconds", "spec.sessionCredentials.duration"),
    ],
)
async def test_what_a_grant_asked_wrongly_is_told_at_the_grant(code: str, field: str) -> None:
    """Not at the source, which another team may own."""
    scripted = Scripted(secrets={"key": KEY})
    scripted.sts.failure = StsError(code, "no")
    ask = SessionOptions(seconds=7200, policy=POLICY)
    with pytest.raises(Failure) as caught:
        await opened(scripted, ask=ask, ramRoleArn={**REFERENCE, "roleArn": ROLE})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("code", "asks_who"),
    [
        ("NoPermission", True),
        ("EntityNotExist.Role", True),
        ("Throttling.User", False),
        ("InvalidParameter.PolicyGrammar", False),
        ("", False),
    ],
)
async def test_who_asked_is_looked_up_for_denials_alone(code: str, *, asks_who: bool) -> None:
    """Throttling, 5xx and timeouts are followed by no second request."""
    scripted = Scripted(secrets={"key": KEY})
    scripted.sts.failure = StsError(code, "no")
    await refused(scripted, ramRoleArn={**REFERENCE, "roleArn": ROLE})
    actions = [action for action, *_ in scripted.sts.requested]
    assert actions == ["AssumeRole", *(["GetCallerIdentity"] if asks_who else [])]


async def test_a_session_that_is_over_is_none() -> None:
    """A clock that is off, or a service that gives out what has ended."""
    scripted = Scripted(secrets={"key": KEY})
    scripted.sts.life = timedelta(0)
    failure = await refused(scripted, ramRoleArn={**REFERENCE, "roleArn": ROLE})
    assert (failure.reason, failure.kind) == ("CredentialsExpired", FailureClass.TRANSIENT)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (SessionOptions(seconds=900), "spec.sessionCredentials.duration"),
        (SessionOptions(policy=POLICY), "spec.sessionCredentials.policy"),
    ],
)
async def test_a_profile_without_a_role_takes_no_wishes(ask: SessionOptions, field: str) -> None:
    """Only its file shows that, so a condition reports it and not apply."""
    profile = {
        "name": "p",
        "mode": "AK",
        "access_key_id": "LTAI5tExample",
        "access_key_secret": "planted",
    }
    file = json.dumps({"current": "p", "profiles": [profile]})
    scripted = Scripted(secrets={"files": {"config.json": file}})
    with pytest.raises(Failure) as caught:
        await opened(scripted, ask=ask, profile={"secretRef": {"name": "files"}})
    assert (caught.value.reason, caught.value.field) == ("NoRole", field)


async def test_a_profile_with_a_policy_takes_no_second_one() -> None:
    """STS takes one policy: the grant's field is named."""
    profile = {
        "name": "p",
        "mode": "RamRoleArn",
        "access_key_id": "LTAI5tExample",
        "access_key_secret": "planted",
        "ram_role_arn": ROLE,
        "policy": COMPACT,
        "sts_region": "cn-beijing",
    }
    file = json.dumps({"current": "p", "profiles": [profile]})
    scripted = Scripted(secrets={"files": {"config.json": file}})
    spec = {"profile": {"secretRef": {"name": "files"}}}
    with pytest.raises(Failure) as caught:
        await opened(scripted, ask=SessionOptions(policy=POLICY), **spec)
    assert (caught.value.reason, caught.value.field) == (
        "ConflictingSessionPolicies",
        "spec.sessionCredentials.policy",
    )
    await opened(scripted, ask=SessionOptions(seconds=1800), **spec)
    _, requested, _, at = scripted.sts.requested[0]
    assert requested == ALWAYS | {"Policy": COMPACT, "DurationSeconds": "1800"}
    assert at.host == "sts.cn-beijing.aliyuncs.com"


@pytest.mark.parametrize(
    ("formats", "warned"), [(["AlibabaCredentialsFile"], True), (["AlibabaEnv"], False)]
)
async def test_a_file_that_one_sdk_cannot_read_is_warned_of(
    formats: list[str], *, warned: bool
) -> None:
    """The SDK for Python takes no session from the INI file; the status says so."""
    requested = grant(bedrockShortTermKey=None, sessionCredentials={}, secret={"formats": formats})
    session = Session(
        access_key_id="STS.1",
        secret_access_key=Sensitive("planted"),
        session_token=Sensitive("planted"),
        issued_at=NOON,
        expires_at=NOON + timedelta(hours=1),
        identity=USER,
    )
    issued_key = await session_credentials.mint(
        SessionCredentials(),
        grant=requested,
        source=alibaba(accessKey={"secretRef": {"name": "key"}}),
        session=session,
        account_id="1",
        context=Scripted().context,
    )
    assert ("SDK for Python" in issued_key.warning) is warned
