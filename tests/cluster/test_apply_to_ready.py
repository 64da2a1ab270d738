"""The sample, from apply to a key that real SDKs use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from statistics import median

import pytest
import yaml

from testbed.operators import OperatorProcess
from testbed.readers import boto3_converse, http_converse, openai_chat
from testbed.readers.answers import Answer
from testbed.world import World
from tests.cluster.commands import kubectl
from tests.cluster.eventually import eventually
from tests.cluster.tenants import EXAMPLE, KEY, SOURCE, Tenant, condition, merged
from tests.cluster.tier import Record

_CLIENTS = (boto3_converse, openai_chat, http_converse)
_READY_SECONDS = 2.0


class SampleTenant(Tenant):
    """The namespace and the role that the sample itself names."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.namespace, self.role = "chat", "bedrock-invoker"


@pytest.fixture
def sample(world: World, operator: OperatorProcess) -> Iterator[SampleTenant]:
    """What the sample needs of AWS; the namespace is its own business."""
    assert operator.process.exit_code is None
    tenant = SampleTenant(world)
    world.create_role()
    yield tenant
    world.aws.delete_role(name=tenant.role)
    namespace = f"/api/v1/namespaces/{tenant.namespace}"
    world.api.delete(namespace)
    eventually(lambda: not world.api.exists(namespace), seconds=60)


def answers(tenant: Tenant, data: dict[str, str]) -> list[Answer]:
    """What each client gets with the data of a Secret."""
    environment = tenant.world.aws.client_environment()
    return [client.call(data, cloud_environment=environment) for client in _CLIENTS]


@pytest.mark.faults
def test_the_sample_is_ready_within_two_seconds(
    sample: SampleTenant, record_property: Record
) -> None:
    """`kubectl apply -k` of the sample ends in a Ready grant within two seconds.

    The key in its Secret is taken by boto3, by openai and over plain HTTP.
    """
    rendered = kubectl(sample.world.cluster.kubeconfig, "kustomize", str(EXAMPLE))
    without_pod = [body for body in yaml.safe_load_all(rendered) if body["kind"] != "Pod"]
    began = time.monotonic()
    kubectl(
        sample.world.cluster.kubeconfig,
        *("apply", "--server-side", "-f", "-"),
        given=yaml.safe_dump_all(without_pod),
    )
    sample.ready()
    took = time.monotonic() - began
    record_property("kubectl apply to ready, seconds", round(took, 3))
    assert took < _READY_SECONDS
    assert [answer for answer in answers(sample, sample.data()) if not answer.ok] == []


@pytest.mark.faults
def test_the_sample_is_ready_soon_however_often(tenant: Tenant, record_property: Record) -> None:
    """From the apply of source and grant to Ready: under two seconds, ten times out of ten."""
    took = []
    for number in range(10):
        source, grant = f"source-{number}", f"grant-{number}"
        began = time.monotonic()
        tenant.apply_source(name=source)
        tenant.apply_grant(name=grant, source=source)
        tenant.ready(name=grant)
        took.append(time.monotonic() - began)
    record_property("apply to ready, median and maximum", (median(took), max(took)))
    assert max(took) < _READY_SECONDS


def test_status_and_secret_say_the_same(tenant: Tenant) -> None:
    """Expiry, renewal and revision are in the status and on the Secret, and agree."""
    status = tenant.become_ready()
    annotations = tenant.secret()["metadata"]["annotations"]
    reported = {
        "expires-at": status["expiresAt"],
        "issued-at": status["issuedAt"],
        "renew-at": status["renewAt"],
        "revision": str(status["revision"]),
        "fingerprint": status["fingerprint"],
    }
    assert {name: annotations[f"keywright.dev/{name}"] for name in reported} == reported
    assert status["issuedAt"] < status["renewAt"] < status["expiresAt"]
    assert condition(status, "Ready")["reason"] == "Succeeded"
    assert tenant.data()["AWS_REGION"] == "us-west-2"


def test_a_key_is_refused_once_its_session_is_over(tenant: Tenant) -> None:
    """The previous key expires with its session, at the time that `expiresAt` contained."""
    tenant.world.aws.limit_sessions(seconds=3)
    ends = datetime.fromisoformat(tenant.become_ready()["expiresAt"]).timestamp()
    old = tenant.data()
    assert [answer for answer in answers(tenant, old) if not answer.ok] == []
    eventually(lambda: tenant.data()[KEY] != old[KEY])
    eventually(lambda: time.time() >= ends)
    refused = answers(tenant, old)
    assert [answer.ok for answer in refused] == [False, False, False]
    assert all("Bearer Token has expired" in str(answer.error) for answer in refused)
    tenant.world.aws.limit_sessions(seconds=None)
    eventually(lambda: all(answer.ok for answer in answers(tenant, tenant.data())))


def test_a_shortening_session_is_told_with_its_cure(tenant: Tenant) -> None:
    """Where the session ends the key early, the grant says so and names `sessionDuration`."""
    tenant.apply_source(sessionDuration="1h")
    tenant.apply_grant()
    status = tenant.ready()
    lasts = datetime.fromisoformat(status["expiresAt"]) - datetime.fromisoformat(status["issuedAt"])
    assert lasts.total_seconds() <= 3601  # AWS tells the end in whole seconds
    message = condition(status, "Ready")["message"]
    assert "Raise sessionDuration of CredentialSource bedrock" in message
    assert "12h" in message


def test_kubectl_shows_and_waits(tenant: Tenant) -> None:
    """`kubectl wait` ends at Ready; `kubectl get` shows the columns of the contract."""
    namespace = f"--namespace={tenant.namespace}"
    admin = tenant.world.cluster.kubeconfig
    bodies = [tenant.source_body(), tenant.grant_body()]
    kubectl(admin, "apply", namespace, "-f", "-", given=yaml.safe_dump_all(bodies))
    for kind, name in (("akg", "chat-key"), ("csrc", SOURCE)):
        kubectl(
            admin, "wait", namespace, "--for=condition=Ready", f"{kind}/{name}", "--timeout=20s"
        )
    status = tenant.status()
    header, row = kubectl(admin, "get", namespace, "akg").splitlines()
    columns = ["NAME", "READY", "STATUS", "KIND", "SECRET", "EXPIRES", "RENEWS", "AGE"]
    assert header.split() == columns
    assert row.split()[:-1] == [
        *("chat-key", "True", status["state"], "bedrockShortTermKey", "chat-key"),
        *(status["expiresAt"], status["renewAt"]),
    ]
    header, row = kubectl(admin, "get", namespace, "csrc").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "PROVIDER", "IDENTITY", "EXPIRES", "AGE"]
    identity = f"arn:aws:sts::123456789012:assumed-role/{tenant.role}/{tenant.namespace}.bedrock"
    state = tenant.source_status()["state"]
    assert row.split()[:5] == ["bedrock", "True", state, "AWS", identity]


def test_the_role_may_stand_on_the_service_account(tenant: Tenant) -> None:
    """Without `roleArn` the role is that of the annotation which EKS and the SDKs read."""
    without = merged(tenant.source_body(), {"spec": {"aws": {"webIdentity": {"roleArn": None}}}})
    tenant.world.api.apply(without)
    tenant.apply_grant()
    reported = tenant.reported("Stalled", reason="NoRoleArn")
    assert "eks.amazonaws.com/role-arn" in condition(reported, "Ready")["message"]
    account = f"/api/v1/namespaces/{tenant.namespace}/serviceaccounts/chat-bedrock"
    annotation = {"eks.amazonaws.com/role-arn": tenant.role_arn}
    tenant.patch(account, {"metadata": {"annotations": annotation}})
    tenant.edit_grant(bedrockShortTermKey={"duration": "11h"})
    tenant.ready()
    assert tenant.role in tenant.source_reported("Ready")["identity"]
