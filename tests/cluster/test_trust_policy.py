"""The trust policy of the role decides; a refusal tells what would be accepted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from testbed.clouds.emulator import CloudRefusedError
from tests.cluster.tenants import ACCOUNT_NAME, Document, Tenant, condition


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in AWS, what the conditions say of it, and how it is put right."""

    name: str
    make: Callable[[Tenant], None]
    reason: str
    says: tuple[str, ...]
    remedy: Callable[[Tenant], None]

    def __str__(self) -> str:
        return self.name


def _trust(**requested: str) -> Callable[[Tenant], None]:
    """Sets the trust policy of another namespace or ServiceAccount."""

    def put(tenant: Tenant) -> None:
        accepted = {"namespace": tenant.namespace, "service_account": ACCOUNT_NAME} | requested
        tenant.world.aws.put_trust_policy(
            name=tenant.role, trust_policy=tenant.world.trust_policy(**accepted)
        )

    return put


def _trust_other(part: str, *, value: str) -> Callable[[Tenant], None]:
    """Sets a trust policy with another audience, or of another issuer."""

    def put(tenant: Tenant) -> None:
        policy = tenant.world.trust_policy(namespace=tenant.namespace, service_account=ACCOUNT_NAME)
        text = json.dumps(policy)
        host = tenant.world.cluster.issuer.removeprefix("https://")
        old = '"sts.amazonaws.com"' if part == "audience" else host
        changed: Document = json.loads(text.replace(old, value))
        tenant.world.aws.put_trust_policy(name=tenant.role, trust_policy=changed)

    return put


def _paste(tenant: Tenant) -> None:
    """What a reader does: pastes the trust policy that the condition tells."""
    message = condition(tenant.status(), "Ready")["message"]
    pasted: dict[str, Any] = json.loads(message[message.index('{"Version"') :])
    tenant.world.aws.put_trust_policy(name=tenant.role, trust_policy=pasted)


def _no_provider(tenant: Tenant) -> None:
    tenant.world.aws.delete_identity_provider(issuer=tenant.world.cluster.issuer)


def _provider(tenant: Tenant) -> None:
    cluster = tenant.world.cluster
    tenant.world.aws.create_identity_provider(
        issuer=cluster.issuer, client_ids=["sts.amazonaws.com"], ca_file=cluster.ca_file
    )


_DENIED = ("Not authorized to perform sts:AssumeRoleWithWebIdentity", "trust policy")
MISTAKES = (
    Mistake("namespace", _trust(namespace="other"), "AccessDenied", _DENIED, _paste),
    Mistake("service-account", _trust(service_account="other"), "AccessDenied", _DENIED, _paste),
    Mistake(
        "audience", _trust_other("audience", value='"another"'), "AccessDenied", _DENIED, _paste
    ),
    Mistake(
        "issuer",
        _trust_other("issuer", value="oidc.example.com/id/ANOTHER"),
        "AccessDenied",
        _DENIED,
        _paste,
    ),
    Mistake(
        "no-provider",
        _no_provider,
        "InvalidIdentityToken",
        ("No OpenIDConnect provider found", "Create an IAM OIDC provider for"),
        _provider,
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_refused_token_is_told_with_its_cure_and_heals(tenant: Tenant, mistake: Mistake) -> None:
    """Grant and source say who was refused, by iss, aud and sub, and what would be accepted.

    Nothing is written until then; afterwards it heals by itself, without an edit in the cluster.
    """
    mistake.make(tenant)
    try:
        tenant.apply_source()
        tenant.apply_grant()
        status = tenant.reported("Ready", status="False", reason=mistake.reason)
        source = tenant.source_reported("Ready", status="False", reason=mistake.reason)
        wanted = (
            *mistake.says,
            f"iss={tenant.world.cluster.issuer}",
            "aud=sts.amazonaws.com",
            f"sub=system:serviceaccount:{tenant.namespace}:{ACCOUNT_NAME}",
        )
        for reported in (status, source):
            message = condition(reported, "Ready")["message"]
            assert [words for words in wanted if words not in message] == []
            assert "eyJ" not in message
        assert not tenant.has_secret()
        mistake.remedy(tenant)
    finally:
        _provider_stands(tenant)
    tenant.ready(seconds=40)
    tenant.source_reported("Ready")
    assert tenant.has_secret()


def test_an_audience_that_the_provider_does_not_know_is_refused(tenant: Tenant) -> None:
    """A token for another audience gets InvalidIdentityToken, with the field that sets it."""
    tenant.apply_source(serviceAccountRef={"name": ACCOUNT_NAME, "audiences": ["vault"]})
    tenant.apply_grant()
    for reported in (
        tenant.reported("Ready", status="False", reason="InvalidIdentityToken"),
        tenant.source_reported("Ready", status="False", reason="InvalidIdentityToken"),
    ):
        message = condition(reported, "Ready")["message"]
        assert "spec.aws.webIdentity.serviceAccountRef.audiences" in message
        assert "Incorrect token audience" in message
        assert "aud=vault" in message
    assert not tenant.has_secret()
    tenant.apply_source(
        serviceAccountRef={"name": ACCOUNT_NAME, "audiences": ["sts.amazonaws.com"]}
    )
    tenant.ready()


def test_a_role_of_another_tenant_is_refused(new_tenant: Callable[[], Tenant]) -> None:
    """Naming the role of another tenant is of no use: the token is that of the tenant itself."""
    victim, thief = new_tenant(), new_tenant()
    victim.become_ready()
    thief.apply_source(roleArn=victim.role_arn)
    thief.apply_grant()
    reported = thief.reported("Ready", status="False", reason="AccessDenied")
    assert (
        f"sub=system:serviceaccount:{thief.namespace}:" in condition(reported, "Ready")["message"]
    )
    assert not thief.has_secret()


def _provider_stands(tenant: Tenant) -> None:
    """Other tests of the worker need it, however this one ends."""
    with contextlib.suppress(CloudRefusedError):  # there already
        _provider(tenant)
