"""No secret value that passed through is in anything that the operator says."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from testbed.clusters.api import ApiError
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster import service_keys
from tests.cluster.anywhere import Anywhere
from tests.cluster.canaries import TALKATIVE, forms, leaks, said, traced
from tests.cluster.claude_platform import KEY as CLAUDE_KEY
from tests.cluster.claude_platform import ClaudeTenant, permissions
from tests.cluster.code_artifact import DOMAIN, REGION, REPOSITORY, CodeArtifactTenant
from tests.cluster.code_artifact import permissions as of_packages
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, KEY, Tenant, condition
from tests.cluster.worlds import MakeWorld
from tests.otlp_receiver import OtlpReceiver

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
    operator = world.operator(arguments=TALKATIVE, environment=traced(collector))
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


def renewal_fails(tenant: Tenant, name: str) -> None:
    """Request a renewal of a grant, and wait until it has failed."""
    now = datetime.now(UTC).isoformat()
    tenant.annotate_grant(name=name, **{"keywright.dev/renew-requested-at": now})
    tenant.reported("RenewalFailing", name=name)


def refused_by_code_artifact(tenant: Tenant) -> set[str]:
    """Tokens in every file of package managers, after answers that are damaged and refused."""
    packages = CodeArtifactTenant.beside(tenant)
    packages.permit(of_packages())
    aws = tenant.world.aws
    aws.create_package_domain(DOMAIN, repositories=[REPOSITORY], region=REGION)
    aws.damage_next("codeartifact", "GetAuthorizationToken", count=2)
    packages.apply_grant(name="packages", **packages.spec())
    packages.ready(name="packages", seconds=60)
    packages.edit_grant(name="packages", probe={"mode": "Service", "timeout": "1s"})
    aws.fail_next(
        "codeartifact-repositories", code="AccessDenied", message="no", status=403, count=1000
    )
    renewal_fails(tenant, "packages")
    aws.clear_faults()
    data = tenant.data("packages")
    return {*data.values(), data["CODEARTIFACT_AUTH_TOKEN"]}


def refused_certificates(tenant: Tenant) -> set[str]:
    """Private keys of good certificates, of one for another key, and of an expired one."""
    anywhere = Anywhere(tenant)
    anywhere.put(anywhere.issue(key="RSA"))
    anywhere.apply(name="anywhere")
    tenant.apply_grant(name="anywhere", source="anywhere")
    tenant.ready(name="anywhere")
    other = anywhere.issue()
    anywhere.pairs.append(other)
    anywhere.put(anywhere.issue(key="RSA"), **{"tls.key": other.key_pem})
    tenant.source_reported("Ready", status="False", name="anywhere")
    now = datetime.now(UTC)
    anywhere.put(anywhere.issue(begins=now - timedelta(days=2), ends=now - timedelta(days=1)))
    tenant.source_reported("Ready", status="False", reason="CertificateExpired", name="anywhere")
    tenant.world.aws.fail_next(
        "rolesanywhere", code="InternalFailure", message="Try later", status=500, count=3
    )
    anywhere.put(anywhere.issue())
    eventually(
        lambda: condition(tenant.source_status("anywhere"), "Ready")["status"] == "True", seconds=60
    )
    lines = {line for pair in anywhere.pairs for line in pair.secrets}
    return lines | {value for name, value in tenant.data("anywhere").items() if name == KEY}


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
    assert leaks(texts, secrets) == set()
    assert '"level": "debug"' in texts["log"]
    assert "CloudError" in texts["events"]
    assert "SecretRefused" in texts["events"]
    assert '"action": "Renewed"' in texts["audit"]
    for name in ("reconcile grant", "reconcile source", "patch secrets"):
        assert collector.named(name)
    assert collector.named("AWS sts:AssumeRoleWithWebIdentity")
    assert {each["service.name"] for each in collector.resources} == {"keywright-canary"}


def test_no_token_of_packages_and_no_private_key_is_told(
    tenant: Tenant, operator: OperatorProcess, collector: OtlpReceiver
) -> None:
    """Nor any file with such a token, or any line of the key of a certificate."""
    tenant.become_ready()
    secrets = {
        *refused_by_code_artifact(tenant),
        *refused_certificates(tenant),
        *tenant.world.aws.secrets(),
    }
    texts = said(tenant.world, operator, collector)
    assert all(texts.values())
    assert leaks(texts, secrets) == set()
    assert collector.named("AWS codeartifact:GetAuthorizationToken")
    assert collector.named("AWS rolesanywhere:CreateSession")


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
