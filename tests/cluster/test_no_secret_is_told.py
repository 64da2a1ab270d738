"""No secret value that passed through is in anything that the operator says."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import yaml

from testbed.clusters.api import ApiError
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster import service_keys
from tests.cluster.claude_platform import KEY as CLAUDE_KEY
from tests.cluster.claude_platform import ClaudeTenant, permissions
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, KEY, Tenant
from tests.cluster.worlds import MakeWorld
from tests.otlp_receiver import OtlpReceiver

# Of a value that is cut, its beginning or end would be left.
_PIECE = 24
_PLANTED = "planted-by-an-admin-4f1d9c2b7a6e"
_REFUSED_BY_POLICY = "no Secrets here today"

pytestmark = [pytest.mark.xdist_group("no-secret"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    """A collector of traces."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> Iterator[World]:
    """A world whose operator has flags of its own."""
    with make_world() as made:
        yield made


@pytest.fixture(scope="module")
def session_operator(world: World, collector: OtlpReceiver) -> OperatorProcess:
    """An operator at its most talkative, with traces, set up by the variables of the standard."""
    operator = world.operator(
        arguments=["--log-level=debug", "--traces=otlp"],
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_SERVICE_NAME": "keywright-canary",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        },
    )
    operator.start()
    return operator


def provoke_cloud_failures(tenant: Tenant) -> None:
    """STS fails, throttles and returns half a document; each is reported, and retried."""
    aws = tenant.world.aws
    faults: tuple[tuple[str, Callable[[], None]], ...] = (
        (
            "failing",
            lambda: aws.fail_next(
                "sts", code="InternalFailure", message="Try later", status=500, count=3
            ),
        ),
        (
            "throttled",
            lambda: aws.fail_next(
                "sts", code="Throttling", message="Rate exceeded", status=400, count=3
            ),
        ),
        ("damaged", lambda: aws.damage_next("sts", "AssumeRoleWithWebIdentity", count=2)),
        ("damaged-caller", lambda: aws.damage_next("sts", "GetCallerIdentity", count=2)),
    )
    for name, make in faults:
        make()
        tenant.apply_source(name=name)
        tenant.apply_grant(name=name, source=name)
        tenant.ready(name=name)
        tenant.source_reported("Ready", name=name)
        aws.clear_faults()


def refused_by_claude_platform(tenant: Tenant) -> str:
    """A key of Claude Platform on AWS that the service refuses at its probe; the key before."""
    claude = ClaudeTenant.beside(tenant)
    claude.permit(permissions())
    claude.apply_grant(name="claude", **claude.claude())
    claude.ready(name="claude")
    key = claude.data("claude")[CLAUDE_KEY]
    tenant.world.aws.set_outbound_federation(enabled=False)
    claude.edit_grant(name="claude", probe={"mode": "Service", "timeout": "1s"})
    now = datetime.now(UTC).isoformat()
    claude.annotate_grant(name="claude", **{"keywright.dev/renew-requested-at": now})
    claude.reported("RenewalFailing", name="claude", reason="ProbeFailed")
    tenant.world.aws.set_outbound_federation(enabled=True)
    return key


def refused_by_telemetry_services(tenant: Tenant) -> set[str]:
    """Long-term keys that their services refuse at a probe; the keys before, in every layout."""
    # The namespaces stay: what they report is looked at.
    make = next(service_keys.tenants(tenant.world, name="refused"))
    keys: set[str] = set()
    for service in service_keys.SERVICES:
        own = make(service)
        own.apply_source(sessionDuration=None)
        spec = own.spec()
        spec["secret"]["formats"].append("ApiKey")
        own.apply_grant(**spec)
        own.ready()
        keys |= {own.data()["apiKey"], own.data()[service.key_entry]}
        deny = {"Effect": "Deny", "Action": list(service.actions), "Resource": "*"}
        own.edit_grant(
            probe={"mode": "Service", "timeout": "1s"},
            awsLongTermKey={
                "inlinePolicies": {"no": {"Version": "2012-10-17", "Statement": [deny]}}
            },
        )
        now = datetime.now(UTC).isoformat()
        own.annotate_grant(**{"keywright.dev/renew-requested-at": now})
        own.reported("ProbeFailing")
    return keys


def provoke_cluster_failures(tenant: Tenant) -> None:
    """409: a Secret in the way, and a grant that is edited all the while; 403: by a policy."""
    tenant.create_secret(name="foreign", value=_PLANTED)
    tenant.apply_grant(name="foreign")
    tenant.reported("SecretConflict", name="foreign")
    for number in range(20):
        tenant.annotate_grant(
            **{"keywright.dev/renew-requested-at": f"2031-01-01T00:00:{number:02}Z"}
        )
    tenant.ready()
    with no_secrets_allowed(tenant):
        reported = tenant.reported("Ready", status="False", reason="SecretRefused", name="refused")
        assert _REFUSED_BY_POLICY in json.dumps(reported)
    tenant.edit_grant(name="refused", bedrockShortTermKey={"duration": "11h"})
    tenant.ready(name="refused", seconds=40)


@contextlib.contextmanager
def no_secrets_allowed(tenant: Tenant) -> Iterator[None]:
    """A ValidatingAdmissionPolicy that refuses the Secrets named `refused` of this namespace."""
    name = f"no-secrets-in-{tenant.namespace}"
    group = "admissionregistration.k8s.io/v1"
    policy = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["secrets"],
                    }
                ]
            },
            "validations": [
                {
                    "expression": f"object.metadata.namespace != '{tenant.namespace}'"
                    " || object.metadata.name != 'refused'",
                    "message": _REFUSED_BY_POLICY,
                    "reason": "Forbidden",
                }
            ],
        },
    }
    binding = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    api = tenant.world.api
    api.apply(policy)
    api.apply(binding)
    try:
        eventually(lambda: _is_refused(tenant))  # the API server takes a moment to know a policy
        tenant.apply_grant(name="refused")
        yield
    finally:
        api.delete(api.path_of(binding))
        api.delete(api.path_of(policy))
        eventually(lambda: not _is_refused(tenant))


def _is_refused(tenant: Tenant) -> bool:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "refused", "namespace": tenant.namespace},
    }
    path = f"/api/v1/namespaces/{tenant.namespace}/secrets"
    try:
        tenant.world.api.request("POST", path, body=body, query={"dryRun": "All"})
    except ApiError as error:
        return _REFUSED_BY_POLICY in error.message
    return False


def forms(secret: str) -> set[str]:
    """What a leak of a secret would look like: whole or cut, as it is, in base64, or in a URL."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    whole = {secret, encoded[:-4], quote(secret, safe="")}
    return {piece for form in whole for piece in (form, form[:_PIECE], form[-_PIECE:])}


def said(
    world: World, operator: OperatorProcess, collector: OtlpReceiver | None = None
) -> dict[str, str]:
    """Everything that the operator has written to logs, Events, statuses, metrics and traces."""
    custom = "/apis/keywright.dev/v1alpha1"
    places = {
        "events": "/apis/events.k8s.io/v1/events",
        "core events": "/api/v1/events",
        "grants": f"{custom}/apikeygrants",
        "sources": f"{custom}/credentialsources",
        "leases": "/apis/coordination.k8s.io/v1/leases",
    }
    log = operator.log.read_text()
    return {
        "log": log,
        "audit": "\n".join(line for line in log.splitlines() if '"keywright.audit"' in line),
        "metrics": operator.get("/metrics"),
        "command line": subprocess.run(
            ["ps", "-o", "args=", "-p", str(operator.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout,
        **({} if collector is None else {"traces": collector.text}),
        **{name: json.dumps(world.api.get(path)) for name, path in places.items()},
    }


def test_no_secret_value_is_in_anything_that_is_told(
    tenant: Tenant, operator: OperatorProcess, collector: OtlpReceiver
) -> None:
    """Tokens, session credentials, keys and values planted by hand are in no log, audit line,
    Event, status, metric, trace or traceback, whatever failed on the way; the log is that of level
    DEBUG.
    """  # noqa: D205  one sentence too long for a line
    world = tenant.world
    tenant.become_ready()
    keys = {tenant.data()[KEY]}
    tenant.patch(
        tenant.secret_path(),
        {"data": {KEY: base64.b64encode(_PLANTED.encode()).decode(), "OPENAI_API_KEY": None}},
    )
    tenant.revision(2)
    keys.add(tenant.data()[KEY])
    provoke_cloud_failures(tenant)
    provoke_cluster_failures(tenant)
    keys |= {tenant.data(name)[KEY] for name in (GRANT, "damaged", "refused")}
    keys.add(refused_by_claude_platform(tenant))
    keys |= refused_by_telemetry_services(tenant)
    kubeconfig = yaml.safe_load(operator.kubeconfig.read_text())
    fingerprint_key = world.api.get(
        "/api/v1/namespaces/keywright-system/secrets/keywright-fingerprint-key"
    )["data"]["key"]
    secrets = {
        *keys,
        *world.aws.secrets(),
        kubeconfig["users"][0]["user"]["token"],
        fingerprint_key,
        _PLANTED,
    }
    eventually(lambda: _reasons(collector) >= {"CloudError", "SecretConflict", "SecretRefused"})
    texts = said(world, operator, collector)
    assert all(texts.values())
    leaks = {
        (place, form[:8])
        for place, text in texts.items()
        for secret in secrets
        for form in forms(secret)
        if form in text
    }
    assert leaks == set()
    assert '"level": "debug"' in texts["log"]
    assert "CloudError" in texts["events"]
    assert "SecretRefused" in texts["events"]
    assert '"action": "Renewed"' in texts["audit"]
    for name in ("reconcile grant", "reconcile source", "patch secrets"):
        assert collector.named(name)
    assert collector.named("AWS sts:AssumeRoleWithWebIdentity")
    assert {each["service.name"] for each in collector.resources} == {"keywright-canary"}


def _reasons(collector: OtlpReceiver) -> set[str | int]:
    """The reasons of failed reconciles."""
    return {span.attributes.get("keywright.reason", "") for span in collector.spans}


def test_a_reconcile_is_traced_to_its_requests(
    tenant: Tenant, operator: OperatorProcess, collector: OtlpReceiver
) -> None:
    """The call to the STS, the token and both writes are below the span of grant or source.

    Whichever came first has opened the session that both share.
    """
    assert operator.process.exit_code is None
    tenant.become_ready()

    def requests() -> set[str]:
        of_tenant = {
            span.id
            for span in collector.spans
            if span.attributes.get("k8s.namespace.name") == tenant.namespace
        }
        return {span.name for span in collector.spans if span.parent in of_tenant}

    eventually(
        lambda: (
            requests()
            >= {
                "AWS sts:AssumeRoleWithWebIdentity",
                "create serviceaccounts/token",
                "patch secrets",
                "patch apikeygrants/status",
            }
        )
    )
    assert collector.named("update leases") == []


def test_the_search_would_find_a_leak(tenant: Tenant) -> None:
    """The search finds what it is for: the Secret is full of it, and the key of its session."""
    tenant.become_ready()
    key = tenant.data()[KEY]
    assert any(form in json.dumps(tenant.secret()) for form in forms(key))
    presigned = base64.b64decode(key.removeprefix("bedrock-api-key-")).decode()
    issued = tenant.world.aws.secrets()
    assert sum(any(form in presigned for form in forms(secret)) for secret in issued) == 1
