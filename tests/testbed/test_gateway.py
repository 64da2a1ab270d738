"""The door of the emulator: proxy, certificates, faults and the journal."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ConnectionClosedError, ProxyConnectionError

from testbed.readers import http_converse
from tests.testbed.world import MODEL, Tenant, allow, refusal

if TYPE_CHECKING:
    from testbed.clouds.aws import AwsCloud


def test_the_clients_environment_is_all_that_an_sdk_needs(cloud: AwsCloud) -> None:
    """Proxy and CA, and loopback addresses past the proxy."""
    assert sorted(cloud.client_environment()) == [
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    ]


@pytest.mark.parametrize(
    ("host", "port"), [("example.com", 443), ("sts.amazonaws.com", 80), ("amazonaws.com.evil", 443)]
)
def test_the_proxy_leads_nowhere_else(cloud: AwsCloud, host: str, port: int) -> None:
    """Whatever is not AWS over TLS is refused with 403."""
    connection = http.client.HTTPSConnection("127.0.0.1", cloud.proxy_port, timeout=5)
    connection.set_tunnel(host, port)
    with pytest.raises(OSError, match="403"):
        connection.connect()
    connection.close()


@pytest.mark.parametrize("host", ["s3.us-east-1.amazonaws.com", "bedrock.amazonaws.com"])
def test_a_service_that_is_not_emulated_says_so(cloud: AwsCloud, host: str) -> None:
    """TLS works for any AWS name; an unknown service is 404, never a wrong answer."""
    trust = ssl.create_default_context(cafile=str(cloud.ca_file))
    connection = http.client.HTTPSConnection(
        "127.0.0.1", cloud.proxy_port, context=trust, timeout=5
    )
    connection.set_tunnel(host, 443)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)) == (404, {"message": f"{host} is not emulated"})
    connection.close()


def test_the_next_calls_fail_as_asked(tenant: Tenant) -> None:
    """`count` calls are refused with that code; the one after them is answered."""
    tenant.cloud.fail_next(
        "sts",
        "AssumeRoleWithWebIdentity",
        code="Throttling",
        message="Rate exceeded",
        status=400,
        count=2,
    )
    for _ in range(2):
        assert refusal(tenant.assume) == (400, "Throttling", "Rate exceeded")
    tenant.assume()


def test_faults_can_be_cleared(tenant: Tenant) -> None:
    """What was asked for and not used up is forgotten."""
    tenant.cloud.fail_next("sts", code="ServiceUnavailable", message="", status=503, count=100)
    assert refusal(tenant.assume)[:2] == (503, "ServiceUnavailable")
    tenant.cloud.clear_faults()
    tenant.assume()


def test_a_delay_makes_answers_late(tenant: Tenant) -> None:
    """A slow STS, without anything else being slow."""
    tenant.cloud.delay("sts", seconds=0.3)
    began = time.monotonic()
    tenant.assume()
    assert time.monotonic() - began >= 0.3


def test_the_journal_tells_who_called_what_and_how_it_ended(tenant: Tenant) -> None:
    """Service, action, principal, host, status, code and the parameters that are not secret."""
    tenant.cloud.forget_calls()
    answer = tenant.assume(DurationSeconds=900)
    refusal(tenant.assume, RoleSessionName="a b")
    good, bad = tenant.cloud.calls(service="sts", action="AssumeRoleWithWebIdentity")
    assert good.principal == answer["AssumedRoleUser"]["Arn"]
    assert (good.status, good.error_code) == (200, None)
    assert good.host == "sts.us-east-1.amazonaws.com"
    assert good.parameters == {
        "RoleArn": tenant.role_arn,
        "RoleSessionName": "keywright",
        "DurationSeconds": "900",
    }
    assert (bad.status, bad.error_code) == (400, "ValidationError")


def test_no_secret_reaches_the_journal(tenant: Tenant) -> None:
    """Neither the web identity token, nor the credentials, nor the key."""
    tenant.cloud.forget_calls()
    token = tenant.issuer.token()
    session = tenant.session(WebIdentityToken=token)
    key = tenant.key(session)
    http_converse.call(tenant.data(key), cloud_environment=tenant.cloud.client_environment())
    reported = repr(tenant.cloud.calls())
    assert MODEL in reported
    assert not [
        secret for secret in (token, session.secret_key, session.token, key) if secret in reported
    ]


@pytest.mark.parametrize(("service", "action"), [("iam", "CreateUser"), ("iam", None)])
def test_an_answer_can_be_lost_after_the_work_was_done(
    tenant: Tenant, service: str, action: str | None
) -> None:
    """The client sees a broken connection; the user is there, and the journal tells the call."""
    iam, name = tenant.admin(), f"lost-{uuid.uuid4().hex[:8]}"
    iam.list_users()
    tenant.cloud.forget_calls()
    tenant.cloud.lose_answer(service, action)
    with pytest.raises((ConnectionClosedError, ProxyConnectionError)):
        iam.create_user(UserName=name)
    assert iam.get_user(UserName=name)["User"]["UserName"] == name
    lost, _ = tenant.cloud.calls(service="iam")
    assert (lost.action, lost.status, lost.error_code) == ("CreateUser", 200, None)


def test_the_service_may_be_down_for_a_while(tenant: Tenant) -> None:
    """5xx in the form of each service's protocol."""
    tenant.cloud.fail_next("iam", code="ServiceUnavailable", message="busy", status=503)
    assert refusal(tenant.admin().list_users) == (503, "ServiceUnavailable", "busy")
    keys = tenant.client("apigateway", credentials=tenant.user(allow("*")))
    tenant.cloud.fail_next(
        "apigateway", "GetApiKeys", code="InternalServerError", message="", status=500
    )
    assert refusal(keys.get_api_keys)[:2] == (500, "InternalServerError")
    keys.get_api_keys()
