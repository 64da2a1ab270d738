"""The OTLP endpoints of AWS: OpenTelemetry's exporters are served, and refused if anything is off.

Long-term keys of Claude Platform on AWS are here as well.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from anthropic import AuthenticationError, NotFoundError

from testbed.clouds.aws.telemetry import ENDPOINTS
from testbed.readers import claude_platform, otlp
from testbed.readers.answers import Answer
from testbed.readers.tunnels import RefusedError, Tunnel
from tests.testbed.world import REGION, Tenant, allow, refusal

_GROUP, _STREAM = "/apps/chat", "main"
_HOSTS = {endpoint.signal: endpoint.name for endpoint in ENDPOINTS}
_POLICIES = {
    "metrics": "CloudWatchAPIKeyAccess",
    "logs": "CloudWatchLogsAPIKeyAccess",
    "traces": "AWSXRayAPIKeyAccess",
}
_SERVICES = {endpoint.signal: endpoint.credential_service for endpoint in ENDPOINTS}
_SIGNALS = tuple(_POLICIES)


@dataclass(slots=True)
class Sender:
    """A user with AWS's policy for a signal, and an administrator."""

    tenant: Tenant
    signal: str
    iam: Any
    logs: Any
    name: str

    @classmethod
    def of(cls, tenant: Tenant, signal: str, *, attach: bool = True) -> Sender:
        """The user, and for logs a log group that accepts keys."""
        cloud = tenant.cloud
        made = cls(
            tenant,
            signal,
            cloud.administrator("iam"),
            cloud.administrator("logs", region=REGION),
            f"sender-{uuid.uuid4().hex[:8]}",
        )
        made.iam.create_user(UserName=made.name)
        if attach:
            made.iam.attach_user_policy(
                UserName=made.name, PolicyArn=f"arn:aws:iam::aws:policy/{_POLICIES[signal]}"
            )
        if signal == "logs":
            made.add_group(_GROUP)
        return made

    def add_group(self, name: str, *, accepts: bool = True) -> None:
        """A log group with a stream, unless there is one."""
        try:
            self.logs.create_log_group(logGroupName=name)
        except self.logs.exceptions.ResourceAlreadyExistsException:
            return
        self.logs.create_log_stream(logGroupName=name, logStreamName=_STREAM)
        if accepts:
            self.logs.put_bearer_token_authentication(
                logGroupIdentifier=name, bearerTokenAuthenticationEnabled=True
            )

    def key(self, *, service: str | None = None, **requested: Any) -> dict[str, Any]:
        """A new credential, its secret included."""
        made: dict[str, Any] = self.iam.create_service_specific_credential(
            UserName=self.name, ServiceName=service or _SERVICES[self.signal], **requested
        )["ServiceSpecificCredential"]
        return made

    def send(
        self, key: str, *, group: str = _GROUP, stream: str = _STREAM, signal: str | None = None
    ) -> Answer:
        """Export with the SDK, as a pod whose variables have the key."""
        signal = signal or self.signal
        prefix = f"OTEL_EXPORTER_OTLP_{signal.upper()}"
        headers = f"Authorization=Bearer%20{key.replace('+', '%2B')}"
        if signal == "logs":
            headers += f",x-aws-log-group={group},x-aws-log-stream={stream}"
        data = {
            f"{prefix}_ENDPOINT": f"https://{_HOSTS[signal]}.{REGION}.amazonaws.com/v1/{signal}",
            f"{prefix}_HEADERS": headers,
        }
        environment = self.tenant.cloud.client_environment()
        return otlp.call(f"otlp-{signal}", data, cloud_environment=environment)

    def refused(self, key: str, **how: str) -> str:
        """What the exporter reports."""
        answer = self.send(key, **how)
        assert not answer.ok
        return answer.error or ""

    def raw(self, headers: dict[str, str], *, body: str, path: str | None = None) -> str:
        """The status of a plain request, or how it was refused."""
        tunnel = Tunnel(
            f"{_HOSTS[self.signal]}.{REGION}.amazonaws.com",
            cloud_environment=self.tenant.cloud.client_environment(),
        )
        try:
            return str(tunnel.ask("POST", path or f"/v1/{self.signal}", headers=headers, body=body))
        except RefusedError as error:
            return str(error)
        finally:
            tunnel.close()


@pytest.fixture(params=_SIGNALS)
def sender(tenant: Tenant, request: pytest.FixtureRequest) -> Sender:
    """One for each signal."""
    return Sender.of(tenant, request.param)


def test_an_exporter_is_served_with_a_key(sender: Sender) -> None:
    """What it sends arrives, and the call log names user and credential."""
    made = sender.key()
    name = _HOSTS[sender.signal]
    before = sender.tenant.cloud.received(name)
    assert sender.send(made["ServiceCredentialSecret"]).error is None
    assert sender.tenant.cloud.received(name) == before + 1
    call = sender.tenant.cloud.calls(service=name)[-1]
    assert call.parameters["CredentialId"] == made["ServiceSpecificCredentialId"]
    assert made["ServiceCredentialSecret"] not in repr(call)


def test_an_empty_request_tests_a_key(sender: Sender) -> None:
    """As in AWS's guide, with JSON; another format, path or scheme is refused."""
    key = sender.key()["ServiceCredentialSecret"]
    field = {"metrics": "resourceMetrics", "logs": "resourceLogs", "traces": "resourceSpans"}
    body = json.dumps({field[sender.signal]: []})
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "x-aws-log-group": _GROUP,
        "x-aws-log-stream": _STREAM,
    }
    assert sender.raw(headers, body=body) == "{}"
    assert "415" in sender.raw({**headers, "Content-Type": "text/plain"}, body=body)
    assert "400" in sender.raw(headers, body='{"unknown":[]}')
    assert "404" in sender.raw(headers, body=body, path="/v1/profiles")
    without = sender.raw({**headers, "Authorization": "Basic x"}, body=body)
    assert ("401" if sender.signal == "logs" else "403") in without


def test_an_ended_key_is_refused(sender: Sender) -> None:
    """Inactive, unknown and expired ones; IAM lists the latter as Expired."""
    key = sender.key()
    secret, named = key["ServiceCredentialSecret"], key["ServiceSpecificCredentialId"]
    status = "401" if sender.signal == "logs" else "403"
    sender.iam.update_service_specific_credential(
        UserName=sender.name, ServiceSpecificCredentialId=named, Status="Inactive"
    )
    assert status in sender.refused(secret)
    assert status in sender.refused(f"{secret[:-8]}AAAAAAA=")
    ended = sender.key()
    sender.tenant.cloud.end_service_credential(ended["ServiceSpecificCredentialId"])
    assert status in sender.refused(ended["ServiceCredentialSecret"])
    listed = sender.iam.list_service_specific_credentials(UserName=sender.name)
    found = {each["Status"] for each in listed["ServiceSpecificCredentials"]}
    assert found == {"Inactive", "Expired"}


def test_a_key_is_for_its_service_alone(sender: Sender) -> None:
    """Keys of the other services of the same user are refused."""
    for service in {*_SERVICES.values(), "bedrock.amazonaws.com"} - {_SERVICES[sender.signal]}:
        key = sender.key(service=service)["ServiceCredentialSecret"]
        assert ("401" if sender.signal == "logs" else "403") in sender.refused(key)


def test_a_user_has_two_keys_for_each_service(sender: Sender) -> None:
    """A third is refused, for this service alone; expired and inactive keys count."""
    sender.tenant.cloud.end_service_credential(sender.key()["ServiceSpecificCredentialId"])
    sender.key()
    assert refusal(sender.key)[:2] == (409, "LimitExceeded")
    for service in {*_SERVICES.values()} - {_SERVICES[sender.signal]}:
        sender.key(service=service)


@pytest.mark.parametrize("missing", ["CallWithBearerToken", "the action"])
@pytest.mark.parametrize("signal", _SIGNALS)
def test_both_actions_are_needed(tenant: Tenant, signal: str, missing: str) -> None:
    """The one for keys, and the one for the data."""
    sender = Sender.of(tenant, signal, attach=False)
    endpoint = next(each for each in ENDPOINTS if each.signal == signal)
    kept = endpoint.sends if missing == "CallWithBearerToken" else "CallWithBearerToken"
    document = allow(f"{endpoint.prefix}:{kept}")
    sender.tenant.cloud.administrator("iam").put_user_policy(
        UserName=sender.name, PolicyName="p", PolicyDocument=json.dumps(document)
    )
    assert "403" in sender.refused(sender.key()["ServiceCredentialSecret"])


def test_a_log_group_accepts_keys_when_that_is_enabled(tenant: Tenant) -> None:
    """Group and stream must exist; PutBearerTokenAuthentication enables the group."""
    sender = Sender.of(tenant, "logs")
    key = sender.key()["ServiceCredentialSecret"]
    sender.add_group("/apps/closed", accepts=False)
    assert "403" in sender.refused(key, group="/apps/closed")
    sender.logs.put_bearer_token_authentication(
        logGroupIdentifier="/apps/closed", bearerTokenAuthenticationEnabled=True
    )
    assert sender.send(key, group="/apps/closed").ok
    assert "400" in sender.refused(key, group="/apps/missing")
    assert "400" in sender.refused(key, stream="missing")


def test_a_policy_can_name_a_log_group(tenant: Tenant) -> None:
    """By the ARN of its streams."""
    sender = Sender.of(tenant, "logs", attach=False)
    sender.add_group("/apps/other")
    statements = [
        *allow("logs:CallWithBearerToken")["Statement"],
        *allow("logs:PutLogEvents", resource=f"arn:aws:logs:*:*:log-group:{_GROUP}:*")["Statement"],
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    sender.iam.put_user_policy(
        UserName=sender.name, PolicyName="p", PolicyDocument=json.dumps(document)
    )
    key = sender.key()["ServiceCredentialSecret"]
    assert sender.send(key).ok
    assert "403" in sender.refused(key, group="/apps/other")


def test_anthropics_sdk_is_served_with_a_long_term_key(tenant: Tenant) -> None:
    """And refused for a workspace of another Region, or once the key is inactive."""
    sender = Sender.of(tenant, "metrics")
    sender.iam.attach_user_policy(
        UserName=sender.name, PolicyArn="arn:aws:iam::aws:policy/AnthropicInferenceAccess"
    )
    made = sender.key(service="aws-external-anthropic.amazonaws.com")
    data = {
        "ANTHROPIC_AWS_API_KEY": made["ServiceCredentialSecret"],
        "ANTHROPIC_AWS_WORKSPACE_ID": "wrkspc_01Long",
        "AWS_REGION": REGION,
    }
    environment = tenant.cloud.client_environment()
    assert claude_platform.call(data, cloud_environment=environment).error is None
    tenant.cloud.bind_workspace("wrkspc_01Elsewhere", region="eu-west-1")
    moved = {**data, "ANTHROPIC_AWS_WORKSPACE_ID": "wrkspc_01Elsewhere"}
    answer = claude_platform.call(moved, cloud_environment=environment)
    assert NotFoundError.__name__ in (answer.error or "")
    sender.iam.update_service_specific_credential(
        UserName=sender.name,
        ServiceSpecificCredentialId=made["ServiceSpecificCredentialId"],
        Status="Inactive",
    )
    answer = claude_platform.call(data, cloud_environment=environment)
    assert AuthenticationError.__name__ in (answer.error or "")
