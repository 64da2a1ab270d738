"""What is asked of the API server and of AWS, counted by them and not by the operator."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cluster.audit import (
    SOURCE_STATUS,
    TOKEN_REQUEST,
    WRITE_SECRET,
    WRITE_STATUS,
    AuditLog,
)
from tests.cluster.eventually import eventually
from tests.cluster.tenants import KEY, Tenant, after_the_second_of

ONE_RENEWAL = Counter({WRITE_SECRET: 1, WRITE_STATUS: 1})


@dataclass(frozen=True)
class Change:
    """An edit of the grant, and whether it needs a new key."""

    name: str
    spec: dict[str, Any] = field(default_factory=dict)
    mints: bool = False

    def __str__(self) -> str:
        return self.name


CHANGES = (
    Change("another-data-key", {"secret": {"data": {"app.ini": "key = ${apiKey}\n"}}}),
    Change("another-format", {"secret": {"formats": ["LiteLLMEnv"]}}),
    Change("another-label", {"secret": {"labels": {"team": "chat"}}}),
    Change("another-annotation", {"secret": {"annotations": {"example.com/reload": "yes"}}}),
    Change("another-margin", {"renewal": {"before": "50%"}}),
    Change("duration", {"bedrockShortTermKey": {"duration": "11h"}}, mints=True),
    Change("region", {"bedrockShortTermKey": {"region": "us-east-1"}}, mints=True),
)


def now() -> str:
    """A value for the annotation that asks for a renewal."""
    return datetime.now(UTC).isoformat()


@pytest.mark.parametrize(
    "annotation", ["keywright.dev/renew-requested-at", "reconcile.fluxcd.io/requestedAt"]
)
def test_a_renewal_on_request_costs_two_writes(
    tenant: Tenant, audit: AuditLog, barrier: Callable[[], None], annotation: str
) -> None:
    """An annotation, ours or Flux's, renews once: one write of the Secret and one of the status.

    A new session signs the new key, since the old one may be what leaked; a repeated value does
    nothing.
    """
    after_the_second_of(tenant.become_ready())
    old, sessions, mark = tenant.data()[KEY], tenant.session_calls(), audit.mark()
    requested = now()
    tenant.annotate_grant(**{annotation: requested})
    status = tenant.revision(2)
    assert status["lastHandledReconcileAt"] == requested
    assert tenant.data()[KEY] != old
    tenant.annotate_grant(**{annotation: requested, "example.com/unrelated": "change"})
    barrier()
    assert audit.written(since=mark, namespace=tenant.namespace) == ONE_RENEWAL
    requests = audit.requests(since=mark, namespace=tenant.namespace)
    assert sum(request.what == TOKEN_REQUEST for request in requests) <= 1
    assert tenant.session_calls() == sessions + 1


def test_a_renewal_with_a_new_session_costs_one_call_of_sts(
    tenant: Tenant, audit: AuditLog
) -> None:
    """At the end of a session: two writes, one TokenRequest and one AssumeRoleWithWebIdentity."""
    # One of six is young for 0.6 s: a slow machine may take two where source and grant meet.
    tenant.world.aws.limit_sessions(seconds=12)
    tenant.become_ready()
    mark, sessions = audit.mark(), tenant.session_calls()
    tenant.revision(2, seconds=25)
    assert audit.written(since=mark, namespace=tenant.namespace) == ONE_RENEWAL
    requests = audit.requests(since=mark, namespace=tenant.namespace)
    assert sum(request.what == TOKEN_REQUEST for request in requests) == 1
    assert tenant.session_calls() == sessions + 1


_OWN_SESSION = {
    "bedrockShortTermKey": None,
    "sessionCredentials": {"duration": "15m"},
    "secret": {"formats": ["AwsEnv"]},
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("spec", "more"),
    [({}, 0), ({"renewal": {"before": "50%"}}, 0), (_OWN_SESSION, 1)],
    ids=["as-the-source", "earlier-than-the-source", "sessions-of-its-own"],
)
def test_each_renewal_costs_one_token(
    tenant: Tenant, audit: AuditLog, spec: dict[str, Any], more: int
) -> None:
    """Six renewals cost six TokenRequests and sessions: the source opens none for itself.

    Its status is written when it is verified, when its grants are counted, and then at most once a
    minute for the dates. `more`: where the grant asks something of its session, the source was
    verified by another.
    """
    tenant.world.aws.limit_sessions(seconds=12)
    mark, sessions, began = audit.mark(), tenant.session_calls(), time.monotonic()
    tenant.become_ready(**spec)
    tenant.revision(7, seconds=90)
    counted = Counter(
        request.what for request in audit.requests(since=mark, namespace=tenant.namespace)
    )
    assert tenant.session_calls() - sessions == 7 + more
    assert counted[TOKEN_REQUEST] == 7 + more
    # One more on a busy machine, where the count of grants comes after the first session.
    assert counted[SOURCE_STATUS] <= 3 + (time.monotonic() - began) // 60


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_only_a_change_of_what_the_key_is_mints(
    tenant: Tenant, audit: AuditLog, barrier: Callable[[], None], change: Change
) -> None:
    """A changed layout is written from the key at hand; another duration or region needs a new one.

    Either way it is one write of the Secret and one of the status.
    """
    tenant.become_ready()
    before, mark = tenant.data(), audit.mark()
    tenant.edit_grant(**change.spec)
    status = tenant.ready()
    barrier()
    assert audit.written(since=mark, namespace=tenant.namespace) == ONE_RENEWAL
    assert status["revision"] == (2 if change.mints else 1)
    assert (before[KEY] in "\n".join(tenant.data().values())) is not change.mints


def test_a_changed_role_mints(tenant: Tenant) -> None:
    """The same grant with another role behind its source gets a key of that role."""
    tenant.become_ready()
    tenant.world.create_role(
        name=f"{tenant.role}-other", namespace=tenant.namespace, service_account="chat-bedrock"
    )
    tenant.apply_source(roleArn=f"{tenant.role_arn}-other")
    status = tenant.revision(2)
    assert status["revision"] == 2
    assert f"{tenant.role}-other" in tenant.source_reported("Ready")["identity"]


def test_an_idle_grant_costs_nothing(
    tenant: Tenant, audit: AuditLog, barrier: Callable[[], None]
) -> None:
    """While nothing changes and nothing is due, neither the API server nor AWS hears of it."""
    tenant.become_ready()
    eventually(lambda: tenant.source_status().get("grants") == 1)
    mark, sessions = audit.mark(), tenant.session_calls()
    tenant.patch(tenant.grant_path(), {"metadata": {"labels": {"relabelled": "yes"}}})
    tenant.patch(tenant.secret_path(), {"metadata": {"labels": {"theirs": "yes"}}})
    barrier()
    assert audit.requests(since=mark, namespace=tenant.namespace) == []
    assert tenant.session_calls() == sessions


def test_a_suspended_grant_is_left_alone(
    tenant: Tenant, audit: AuditLog, barrier: Callable[[], None]
) -> None:
    """`suspend: true` keeps the Secret and its key; renewals and repairs wait until it goes."""
    tenant.become_ready()
    tenant.edit_grant(suspend=True)
    reported = tenant.reported("Ready", reason="Suspended")
    assert "no key is issued" in next(
        c["message"] for c in reported["conditions"] if c["type"] == "Ready"
    )
    mark = audit.mark()
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": now()})
    tenant.patch(tenant.secret_path(), {"data": {"AWS_REGION": None}})
    barrier()
    assert not audit.written(since=mark, namespace=tenant.namespace)
    tenant.edit_grant(suspend=False)
    assert tenant.revision(2)["revision"] == 2
    assert "AWS_REGION" in tenant.data()


def test_a_grant_born_suspended_mints_nothing(tenant: Tenant, barrier: Callable[[], None]) -> None:
    """It says so, and there is no Secret."""
    tenant.apply_source()
    tenant.apply_grant(suspend=True)
    tenant.reported("Ready", status="False", reason="Suspended")
    barrier()
    assert not tenant.has_secret()
    tenant.edit_grant(suspend=False)
    tenant.ready()
