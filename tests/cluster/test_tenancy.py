"""A source in one namespace, used from others: who may, who may not, and what they learn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from testbed.world import World
from tests.cluster.audit import BEGINNING, TOKEN_REQUEST, AuditLog, Mark
from tests.cluster.eventually import eventually
from tests.cluster.tenants import ACCOUNT_NAME, GRANT, SOURCE, Document, Tenant, condition

_WATCH = "watch namespaces"
_BY_TEAM = {"selector": {"matchLabels": {"team": "chat"}}}


class Guest(Tenant):
    """A namespace that has nothing of its own: no ServiceAccount, no Role, no role in AWS."""

    def __init__(self, host: Tenant, *, name: str) -> None:
        super().__init__(host.world, name=name)
        self.host = host

    def label(self, **labels: str | None) -> None:
        """Set labels of the namespace; None removes."""
        self.patch(f"/api/v1/namespaces/{self.namespace}", {"metadata": {"labels": labels}})

    def ask(self, **spec: Any) -> None:
        """A grant of the host's source."""
        reference = {"name": SOURCE, "namespace": self.host.namespace}
        self.apply_grant(sourceRef=reference, **spec)

    def refused(self) -> Document:
        """The condition Stalled of the grant, once it says that it may not."""
        reported = self.reported("Stalled", reason="SourceNotAllowed")
        assert condition(reported, "Ready")["status"] == "False"
        assert not condition(reported, "Reconciling")
        assert not self.has_secret()
        return condition(reported, "Stalled")


@pytest.fixture
def host(tenant: Tenant) -> Tenant:
    """The namespace of the source."""
    tenant.apply_source()
    return tenant


@pytest.fixture
def guest(host: Tenant, request: pytest.FixtureRequest) -> Guest:
    """A namespace that has a use for it."""
    made = Guest(host, name="guest")
    made.apply_namespace()
    path = f"/api/v1/namespaces/{made.namespace}"
    request.addfinalizer(lambda: made.world.api.delete(path))  # noqa: PT021  nothing to yield
    return made


def _allow(host: Tenant, allowed: Document | None) -> None:
    host.patch(host.source_path(), {"spec": {"allowedNamespaces": allowed}})


def test_an_allowed_namespace_gets_keys_of_the_sources_identity(
    host: Tenant, guest: Guest, audit: AuditLog
) -> None:
    """Rule 10: the token is of the source's namespace, and so is the name of the session.

    By name no namespace is ever read or watched.
    """
    mark = audit.mark()
    _allow(host, {"names": [guest.namespace]})
    guest.ask()
    guest.ready()
    requested = [r for r in audit.requests(since=mark) if r.what == TOKEN_REQUEST]
    assert {(r.namespace, r.name) for r in requested} <= {(host.namespace, ACCOUNT_NAME)}
    assert host.session_calls() >= 1
    assert guest.session_calls() == 0
    assert not [r for r in audit.requests(since=mark) if r.what.endswith(" namespaces")]
    eventually(lambda: host.source_status().get("grants") == 1)


def test_whoever_may_not_learns_nothing_of_the_source(host: Tenant, guest: Guest) -> None:
    """There or not there, the words are the same; both fields and the remedy are named."""
    guest.ask()
    there = guest.refused()["message"]
    guest.edit_grant(sourceRef={"name": "none-of-that-name"})
    missing = guest.refused()["message"]
    assert there.replace(SOURCE, "none-of-that-name") == missing
    for words in (
        "spec.sourceRef.namespace",
        "spec.allowedNamespaces",
        f"allow {guest.namespace}",
        f"namespace {host.namespace}",
    ):
        assert words in there
    eventually(lambda: host.source_status().get("grants") == 0)


def test_labels_of_the_namespace_decide_and_are_followed(host: Tenant, guest: Guest) -> None:
    """A label that comes lets the grant in at once; one that goes leaves the key, and no other."""
    _allow(host, _BY_TEAM)
    guest.ask()
    guest.refused()
    guest.label(team="chat")
    guest.ready(seconds=5)
    data = guest.data()
    guest.label(team="other")
    reported = guest.reported("RenewalFailing", reason="SourceNotAllowed", seconds=5)
    assert condition(reported, "Ready")["status"] == "True"
    assert guest.data() == data
    guest.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})
    guest.label(team="chat")
    guest.revision(2, seconds=5)


def test_a_permission_that_is_withdrawn_ends_with_the_key(host: Tenant, guest: Guest) -> None:
    """Ready until the key expires, then Expired and Stalled; allowed again, it recovers."""
    host.world.aws.limit_sessions(seconds=8)
    _allow(host, {"names": [guest.namespace, "another"]})
    guest.ask()
    guest.ready()
    _allow(host, {"names": ["another"]})
    guest.reported("RenewalFailing", reason="SourceNotAllowed", seconds=5)
    reported = guest.reported("Ready", status="False", reason="Expired")
    assert condition(reported, "Stalled")["reason"] == "SourceNotAllowed"
    assert "spec.allowedNamespaces" in condition(reported, "Ready")["message"]
    revision = reported["revision"]
    host.world.aws.limit_sessions(seconds=None)
    _allow(host, {"names": [guest.namespace]})
    guest.reported("Ready", seconds=5, and_=lambda status: status["revision"] > revision)


def test_namespaces_are_watched_only_while_a_source_selects_them(
    host: Tenant, guest: Guest, audit: AuditLog, barrier: Callable[[], None]
) -> None:
    """One watch for all of them, which goes with the last selector."""
    eventually(lambda: not _selecting(host))  # those of other tests go with their namespaces
    ended = _of_namespaces(audit, BEGINNING).count(_WATCH)
    guest.label(team="chat")
    guest.ask()
    _select_for_a_while(host, guest)
    # The watch of other tests has ended with it, if the operator still had one.
    eventually(lambda: _of_namespaces(audit, BEGINNING).count(_WATCH) > ended)
    mark = audit.mark()
    barrier()
    assert _of_namespaces(audit, mark) == []
    _select_for_a_while(host, guest)
    eventually(lambda: _WATCH in _of_namespaces(audit, mark))
    assert _of_namespaces(audit, mark).count(_WATCH) == 1
    mark = audit.mark()
    guest.label(team="other")
    barrier()
    assert _of_namespaces(audit, mark) == []


def _select_for_a_while(host: Tenant, guest: Guest) -> None:
    """A selector that comes and goes; in between only the watch can show another label."""
    _allow(host, _BY_TEAM)
    _is_served(guest)
    guest.label(team="other")
    guest.reported("RenewalFailing", reason="SourceNotAllowed")
    guest.label(team="chat")
    _is_served(guest)
    _allow(host, None)
    guest.reported("RenewalFailing", reason="SourceNotAllowed")


def _is_served(guest: Guest) -> None:
    guest.reported("Ready", and_=lambda status: not condition(status, "RenewalFailing"))


def _selecting(host: Tenant) -> list[str]:
    sources = host.world.api.get("/apis/keywright.dev/v1alpha1/credentialsources")["items"]
    return [
        source["metadata"]["namespace"]
        for source in sources
        if "selector" in source["spec"].get("allowedNamespaces", {})
    ]


def _of_namespaces(audit: AuditLog, mark: Mark) -> list[str]:
    found = [request.what for request in audit.requests(since=mark)]
    return [what for what in found if what.split()[1] == "namespaces"]


def test_a_source_that_goes_and_comes_back_costs_no_key(host: Tenant, guest: Guest) -> None:
    """A deleted source allows no grant; created again with the same rules, it serves again."""
    _allow(host, {"names": [guest.namespace]})
    guest.ask()
    guest.ready()
    host.world.api.delete(host.source_path())
    reported = guest.reported("RenewalFailing", reason="SourceNotAllowed", seconds=5)
    assert condition(reported, "Ready")["status"] == "True"
    host.apply_source()
    _allow(host, {"names": [guest.namespace]})
    eventually(lambda: not condition(guest.status(), "RenewalFailing"))
    assert guest.ready(name=GRANT)["revision"] == 1


@pytest.mark.usefixtures("operator")
def test_the_example_serves_both_teams(world: World) -> None:
    """What the guide applies gives each team its Secret, of the one identity."""
    world.create_role(name="shared-bedrock", namespace="ai-platform", service_account="bedrock")
    world.apply_example("shared-source")
    for team in ("search", "support"):
        _until_ready(world, f"{team}/apikeygrants/bedrock-key")
        secret = world.api.get(f"/api/v1/namespaces/{team}/secrets/bedrock-key")
        assert "AWS_BEARER_TOKEN_BEDROCK" in secret["data"]
    sessions = world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
    assert "ai-platform.bedrock" in {call.parameters.get("RoleSessionName") for call in sessions}
    for namespace in ("ai-platform", "search", "support"):
        world.api.delete(f"/api/v1/namespaces/{namespace}")


def _until_ready(world: World, name: str) -> None:
    path = f"/apis/keywright.dev/v1alpha1/namespaces/{name}"
    eventually(
        lambda: condition(world.api.get(path).get("status", {}), "Ready").get("status") == "True"
    )
