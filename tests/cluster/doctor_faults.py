"""Faults for `keywright doctor` to find: how each is planted, what is found, how it is fixed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.clusters.api import MERGE
from tests.cluster.chains import FAR, apply_chain, roles, trusting
from tests.cluster.tenants import ACCOUNT_NAME, GRANT, Tenant, merged

Plant = Callable[[Tenant], None]
Fix = Callable[[Tenant, str], None]
_SESSIONS = "AssumeRoleWithWebIdentity"
_LISTING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"}],
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault, the hop that must fail, the words of its facts and cure.

    `fix` follows the cure, whose text it gets.
    """

    name: str
    plant: Plant
    hop: str
    says: tuple[str, ...]
    kind: str = "source"
    fix: Fix | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The id of the test."""
        return self.name


# ---- planting


def _source(**identity: Any) -> Plant:
    return lambda tenant: tenant.apply_source(**identity)


def _grant(**spec: Any) -> Plant:
    def plant(tenant: Tenant) -> None:
        tenant.apply_source()
        tenant.apply_grant(**spec)

    return plant


def _without_token_right(tenant: Tenant) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant.namespace}/rolebindings"
    for item in tenant.world.api.get(path)["items"]:
        tenant.world.api.delete(f"{path}/{item['metadata']['name']}")
    tenant.apply_source()


def _trusting_another(tenant: Tenant) -> None:
    tenant.world.aws.put_trust_policy(
        name=tenant.role,
        trust_policy=tenant.world.trust_policy(namespace="other", service_account=ACCOUNT_NAME),
    )
    tenant.apply_source()


def _without_provider(tenant: Tenant) -> None:
    tenant.world.aws.delete_identity_provider(issuer=tenant.world.cluster.issuer)
    tenant.apply_source()


def provider(tenant: Tenant, _: str = "") -> None:
    """Create the identity provider of the cluster."""
    cluster = tenant.world.cluster
    tenant.world.aws.create_identity_provider(
        issuer=cluster.issuer, client_ids=["sts.amazonaws.com"], ca_file=cluster.ca_file
    )


def _answering(code: str, message: str, *, status: int = 400) -> Plant:
    def plant(tenant: Tenant) -> None:
        tenant.world.aws.fail_next(
            "sts", _SESSIONS, code=code, message=message, status=status, count=1000
        )
        tenant.apply_source()

    return plant


def _cleared(tenant: Tenant, _: str) -> None:
    tenant.world.aws.clear_faults()


def _short_role(tenant: Tenant) -> None:
    tenant.world.aws.delete_role(name=tenant.role)
    tenant.world.create_role(
        name=tenant.role,
        namespace=tenant.namespace,
        service_account=ACCOUNT_NAME,
        max_session_seconds=3600,
    )
    tenant.apply_source(sessionDuration="12h")


def _chain(*, assume: bool = True, trusted: bool = True, **hop: Any) -> Plant:
    def plant(tenant: Tenant) -> None:
        (far,) = roles(tenant, count=1, first=None if assume else tenant.role_arn)
        if not trusted:
            tenant.world.aws.put_trust_policy(
                name=f"{tenant.namespace}-hop-1",
                trust_policy=trusting(tenant.role_arn, StringEquals={"sts:ExternalId": "right"}),
                account=FAR,
            )
        apply_chain(tenant, [{"roleArn": far, **hop}])

    return plant


def _external_id(*, create: bool) -> Plant:
    reference = {"secretKeyRef": {"name": "partner", "key": "id"}}

    def plant(tenant: Tenant) -> None:
        if create:
            tenant.create_secret(name="partner", id="right")
        _chain(trusted=False, externalIdFrom=reference)(tenant)

    return plant


def _access_key(tenant: Tenant) -> None:
    user = tenant.world.aws.create_user(name=f"{tenant.namespace}-user", policies={})
    tenant.create_secret(
        name="static", AWS_ACCESS_KEY_ID=user.access_key_id, AWS_SECRET_ACCESS_KEY="A" * 40
    )
    apply_chain(tenant, [], accessKey={"secretRef": {"name": "static"}})


def _foreign_endpoint(tenant: Tenant) -> None:
    patch = {"spec": {"aws": {"stsEndpoint": "https://sts.example.com"}}}
    tenant.world.api.apply(merged(tenant.source_body(), patch))


def _secret_of_others(tenant: Tenant) -> None:
    tenant.create_secret(name=GRANT, own="value")
    _grant()(tenant)


def _elsewhere(tenant: Tenant) -> None:
    tenant.apply_source()
    tenant.apply_grant(sourceRef={"name": "bedrock", "namespace": "keywright-system"})


def _probe_refused(tenant: Tenant) -> None:
    _grant(probe={"mode": "Bedrock"})(tenant)
    nothing = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "bedrock:List*", "Resource": "*"}],
    }
    tenant.world.aws.put_role_policy(role=tenant.role, name="deny", document=nothing)


# ---- following the cure


def _run_commands(tenant: Tenant, cure: str) -> None:
    """Run the kubectl commands of a cure."""
    commands = re.findall(r"(kubectl .*?)(?:;|$)", cure)
    assert commands
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kubeconfig = str(tenant.world.cluster.kubeconfig)
    subprocess.run(
        ["sh", "-e", "-c", "\n".join(commands)],
        env={**os.environ, "PATH": path, "KUBECONFIG": kubeconfig},
        check=True,
        capture_output=True,
    )


def _paste_trust(tenant: Tenant, cure: str) -> None:
    """Paste the trust policy of a cure."""
    policy = json.loads(cure[cure.index('{"Version"') :])
    tenant.world.aws.put_trust_policy(name=tenant.role, trust_policy=policy)


def _paste_both(tenant: Tenant, cure: str) -> None:
    """Paste the policy of the caller, and the trust policy of the role."""
    decoder = json.JSONDecoder()
    start = cure.index('{"Version"')
    permission, length = decoder.raw_decode(cure[start:])
    rest = cure[start + length :]
    trust, _ = decoder.raw_decode(rest[rest.index('{"Version"') :])
    tenant.world.aws.put_role_policy(role=tenant.role, name="chain", document=permission)
    tenant.world.aws.put_trust_policy(
        name=f"{tenant.namespace}-hop-1", trust_policy=trust, account=FAR
    )


def _edited(**identity: Any) -> Fix:
    return lambda tenant, _: tenant.apply_source(**identity)


def _account(tenant: Tenant, _: str) -> None:
    tenant.apply_source(serviceAccountRef={"name": ACCOUNT_NAME})


def _role(tenant: Tenant, _: str) -> None:
    tenant.world.create_role(
        name=f"{tenant.role}-later", namespace=tenant.namespace, service_account=ACCOUNT_NAME
    )


def _label(tenant: Tenant, cure: str) -> None:
    tenant.world.api.request(
        "PATCH",
        tenant.secret_path("partner"),
        body={"metadata": {"labels": {"keywright.dev/allow-reference": "true"}}},
        content_type=MERGE,
    )
    assert "kubectl label secret" in cure


def _released_secret(tenant: Tenant, _: str) -> None:
    tenant.create_released_secret(name="partner", id="right")


def _another_secret(tenant: Tenant, _: str) -> None:
    tenant.edit_grant(secret={"name": "another"})


def _missing_role(tenant: Tenant) -> None:
    tenant.apply_source(roleArn=f"{tenant.role_arn}-later")


FAULTS = (
    Fault(
        "no-token-right",
        _without_token_right,
        "doctor-token-right",
        ("TokenRequestForbidden", "kubectl create role"),
        fix=_run_commands,
    ),
    Fault(
        "no-service-account",
        _source(serviceAccountRef={"name": "missing"}),
        "doctor-token",
        ("ServiceAccountNotFound", "there is no ServiceAccount missing"),
        fix=_account,
    ),
    Fault(
        "audience-of-the-api-server",
        _source(
            serviceAccountRef={
                "name": ACCOUNT_NAME,
                "audiences": ["https://kubernetes.default.svc"],
            }
        ),
        "doctor-token",
        ("AudienceForbidden", "Name the audience that the cloud expects"),
        fix=_account,
    ),
    Fault(
        "wrong-audience",
        _source(serviceAccountRef={"name": ACCOUNT_NAME, "audiences": ["vault"]}),
        "doctor-session",
        ("Incorrect token audience", "Set audiences to a client id"),
        fix=_account,
    ),
    Fault(
        "wrong-subject",
        _trusting_another,
        "doctor-session",
        ("Not authorized", '{"Version"'),
        fix=_paste_trust,
    ),
    Fault(
        "role-missing",
        _missing_role,
        "doctor-session",
        ("check the spelling of the role in roleArn", "trust policy"),
        fix=_role,
    ),
    Fault(
        "provider-missing",
        _without_provider,
        "doctor-session",
        ("No OpenIDConnect provider found", "Create an IAM OIDC provider for"),
        fix=provider,
    ),
    Fault(
        "issuer-not-reachable",
        _answering(
            "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider"
        ),
        "doctor-session",
        ("must be public and publish its keys",),
        fix=_cleared,
    ),
    Fault(
        "thumbprint",
        _answering(
            "InvalidIdentityToken",
            "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
        ),
        "doctor-session",
        ("update-open-id-connect-provider-thumbprint",),
        fix=_cleared,
    ),
    Fault(
        "clock-off",
        _answering(
            "ExpiredTokenException",
            "Token expired: current date/time 2 must be before the expiration date/time 1",
        ),
        "doctor-session",
        ("check the clocks",),
        fix=_cleared,
    ),
    Fault(
        "region-without-sts",
        _answering(
            "RegionDisabledException", "STS is not activated in this region for account", status=403
        ),
        "doctor-session",
        ("Activate STS for this Region",),
        fix=_cleared,
    ),
    Fault(
        "session-too-long",
        _short_role,
        "doctor-session",
        ("SessionDurationTooLong", "maximum session duration"),
        fix=_edited(sessionDuration="1h"),
    ),
    Fault(
        "egress-blocked",
        _source(),
        "doctor-session",
        ("network, proxy and firewall",),
        environment={"HTTPS_PROXY": "http://127.0.0.1:1"},
    ),
    Fault(
        "chain-refused",
        _chain(assume=False),
        "doctor-role",
        ("is not authorized to perform: sts:AssumeRole", "the caller's role needs this policy"),
        fix=_paste_both,
    ),
    Fault(
        "external-id-wrong",
        _chain(trusted=False, externalId="wrong"),
        "doctor-role",
        ("AccessDenied", "sts:ExternalId"),
        fix=_paste_both,
    ),
    Fault(
        "external-id-secret-missing",
        _external_id(create=False),
        "doctor-role",
        ("SecretNotFound", "there is no Secret partner"),
        fix=_released_secret,
    ),
    Fault(
        "external-id-not-released",
        _external_id(create=True),
        "doctor-role",
        ("SecretNotLabeled", "kubectl label secret"),
        fix=_label,
    ),
    Fault(
        "access-key-wrong",
        _access_key,
        "doctor-session",
        ("SignatureDoesNotMatch", "Put a live key into the Secret"),
    ),
    Fault(
        "sts-endpoint-not-allowed",
        _foreign_endpoint,
        "doctor-session",
        ("EndpointNotAllowed", "--allow-sts-endpoint"),
    ),
    Fault(
        "source-missing",
        lambda tenant: tenant.apply_grant(source="missing"),
        "doctor-source",
        ("SourceNotFound", "Create it, or name another one"),
        kind="grant",
        fix=lambda tenant, _: tenant.apply_source(name="missing"),
    ),
    Fault(
        "source-not-allowed",
        _elsewhere,
        "doctor-source",
        ("SourceNotAllowed", "spec.allowedNamespaces"),
        kind="grant",
    ),
    Fault(
        "secret-of-others",
        _secret_of_others,
        "doctor-secret",
        ("no grant owns it", "spec.secret.adopt"),
        kind="grant",
        fix=_another_secret,
    ),
    Fault(
        "probe-refused",
        _probe_refused,
        "doctor-probe",
        ("bedrock:ListFoundationModels",),
        kind="grant",
        fix=lambda tenant, _: tenant.world.aws.put_role_policy(
            role=tenant.role, name="deny", document=_LISTING
        ),
    ),
)
