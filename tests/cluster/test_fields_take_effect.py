"""Fields of a grant and its source, seen where they take effect: in the cloud, in the Secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from testbed.clouds.aws.cloud import ACCOUNT
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Document, Tenant, condition, merged

_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
_LIMITED = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"


# A session is counted from before STS was asked, and ends so long after its answer was given.
_A_CALL = timedelta(seconds=30)


def lifetime(status: Document) -> timedelta:
    """How long the key of a status lasts from beginning to end."""
    return datetime.fromisoformat(status["expiresAt"]) - datetime.fromisoformat(status["issuedAt"])


def test_sts_is_asked_for_what_the_source_says(tenant: Tenant) -> None:
    """Endpoint, session name, duration and session policies of a web identity arrive at STS."""
    name = f"{tenant.namespace}.by-name"
    body = tenant.source_body(
        sessionName=name, sessionDuration="2h", policyArns=[_LIMITED], policy=_EVERYTHING
    )
    way = {"region": "us-east-1", "stsEndpoint": "https://sts.amazonaws.com"}
    tenant.world.api.apply(merged(body, {"spec": {"aws": way}}))
    tenant.apply_grant()
    assert lifetime(tenant.ready()) <= timedelta(hours=2) + _A_CALL
    (call,) = (
        call
        for call in tenant.world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
        if call.parameters.get("RoleSessionName") == name
    )
    assert call.host == "sts.amazonaws.com"
    assert call.parameters["RoleArn"] == tenant.role_arn
    assert call.parameters["DurationSeconds"] == "7200"
    assert call.parameters["PolicyArns"] == _LIMITED
    assert json.loads(call.parameters["Policy"]) == _EVERYTHING
    assert tenant.source_reported("Ready")["identity"].endswith(f"/{name}")


def test_sts_is_asked_in_the_sources_region(tenant: Tenant) -> None:
    """The region of a source chooses the endpoint of STS, and where its grants' keys work."""
    body = merged(tenant.source_body(), {"spec": {"aws": {"region": "eu-west-1"}}})
    tenant.world.api.apply(body)
    tenant.apply_grant()
    tenant.ready()
    assert tenant.data()["AWS_REGION"] == "eu-west-1"
    hosts = {
        call.host
        for call in tenant.world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
        if call.parameters.get("RoleArn") == tenant.role_arn
    }
    assert hosts == {"sts.eu-west-1.amazonaws.com"}


def test_sts_credentials_are_as_their_grant_says(tenant: Tenant) -> None:
    """Duration, policy and policy ARNs of `sessionCredentials` make a session of its own."""
    requested = {"duration": "45m", "policy": _EVERYTHING, "policyArns": [_LIMITED]}
    tenant.apply_source()
    tenant.apply_grant(
        bedrockShortTermKey=None, sessionCredentials=requested, secret={"formats": ["AwsEnv"]}
    )
    assert lifetime(tenant.ready()) <= timedelta(minutes=45) + _A_CALL
    (call,) = (
        call
        for call in tenant.world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
        if call.parameters.get("RoleArn") == tenant.role_arn and "Policy" in call.parameters
    )
    assert call.parameters["DurationSeconds"] == "2700"
    assert call.parameters["PolicyArns"] == _LIMITED
    assert json.loads(call.parameters["Policy"]) == _EVERYTHING


def test_a_short_term_key_is_as_its_grant_says(tenant: Tenant) -> None:
    """Region and endpoint lead its readers, and the duration is its life."""
    key = {"region": "eu-central-1", "duration": "3h", "endpoint": "Mantle"}
    status = tenant.become_ready(bedrockShortTermKey=key)
    data = tenant.data()
    assert data["AWS_REGION"] == "eu-central-1"
    assert data["OPENAI_BASE_URL"] == "https://bedrock-mantle.eu-central-1.api.aws/v1"
    assert lifetime(status) == timedelta(hours=3)


def test_a_secret_is_as_its_grant_says(tenant: Tenant) -> None:
    """Name, type, labels, annotations and data of `spec.secret`, and a mixed one on demand."""
    requested = {
        "name": "elsewhere",
        "type": "example.com/key",
        "labels": {"team": "chat"},
        "annotations": {"example.com/owner": "chat"},
        "data": {"AWS_ACCESS_KEY_ID": "of ${name}"},
        "allowMixed": True,
    }
    assert tenant.become_ready(secret=requested)["secretName"] == "elsewhere"
    secret = tenant.secret("elsewhere")
    assert secret["type"] == "example.com/key"
    assert secret["metadata"]["labels"]["team"] == "chat"
    assert secret["metadata"]["annotations"]["example.com/owner"] == "chat"
    assert tenant.data("elsewhere")["AWS_ACCESS_KEY_ID"] == "of chat-key"
    assert not tenant.has_secret()


def test_a_status_says_what_was_made_and_when(tenant: Tenant) -> None:
    """The source's identity and its expiry; the grant's key, its owner and its expiry."""
    before = datetime.now(UTC).replace(microsecond=0)
    status = tenant.become_ready()
    assert (status["kind"], status["secretName"]) == ("bedrockShortTermKey", "chat-key")
    assert status["observedGeneration"] == tenant.grant()["metadata"]["generation"]
    assert (status["revision"], status["keyId"][:4]) == (1, "ASIA")
    assert before <= datetime.fromisoformat(status["issuedAt"])
    assert datetime.fromisoformat(status["renewAt"]) < datetime.fromisoformat(status["expiresAt"])
    source = tenant.source_reported("Ready")
    assert (source["provider"], source["accountId"]) == ("AWS", ACCOUNT)
    assert source["identity"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{tenant.role}/")
    assert datetime.fromisoformat(source["renewAt"]) < datetime.fromisoformat(source["expiresAt"])
    assert source["observedGeneration"] == 1
    eventually(lambda: tenant.source_status()["grants"] == 1)


def test_a_failure_is_counted_dated_and_told(tenant: Tenant) -> None:
    """Of grant and source: how often, when, and a condition with type, reason and message."""
    before = datetime.now(UTC).replace(microsecond=0)
    wrong = tenant.source_body(roleArn=f"{tenant.role_arn}-missing")
    tenant.world.api.apply(wrong)
    tenant.apply_grant()
    reported = tenant.reported(
        "Ready", status="False", and_=lambda seen: seen["failedAttempts"] > 1
    )
    source = tenant.source_reported("Ready", status="False")
    for status in (reported, source):
        assert status["failedAttempts"] >= 1
        assert before <= datetime.fromisoformat(status["lastFailureTime"]) <= datetime.now(UTC)
        found = condition(status, "Ready")
        assert (found["type"], found["status"], found["observedGeneration"]) == (
            "Ready",
            "False",
            status["observedGeneration"],
        )
        assert found["reason"]
        assert f"{tenant.role}-missing" in found["message"]
        assert before <= datetime.fromisoformat(found["lastTransitionTime"])
