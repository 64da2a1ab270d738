"""Policies that rewrite labels at admission do not blind the operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.audit import WRITE_SECRET, AuditLog
from tests.cluster.conftest import audit_log
from tests.cluster.eventually import eventually
from tests.cluster.rollouts import events
from tests.cluster.tenants import KEY, Document, Tenant, condition
from tests.cluster.test_upgrade import mints
from tests.cluster.worlds import MakeWorld

_REGISTRATION = "admissionregistration.k8s.io/v1"
_STANDARD, _OURS = "app.kubernetes.io/managed-by", "keywright.dev/managed"
pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


def _policy(name: str, label: str) -> list[Document]:
    """What sets a label of every Secret in the namespaces that carry the policy's name."""
    expression = f'Object{{metadata: Object.metadata{{labels: {{"{label}": "platform"}}}}}}'
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["secrets"],
    }
    return [
        {
            "apiVersion": _REGISTRATION,
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "matchConstraints": {"resourceRules": [rule]},
                "mutations": [
                    {
                        "patchType": "ApplyConfiguration",
                        "applyConfiguration": {"expression": expression},
                    }
                ],
            },
        },
        {
            "apiVersion": _REGISTRATION,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "matchResources": {"namespaceSelector": {"matchLabels": {"labels": name}}},
            },
        },
    ]


@dataclass(frozen=True)
class Stage:
    """A world whose namespaces may be labeled to have a policy, and its operator."""

    world: World
    operator: OperatorProcess
    audit: AuditLog

    def tenant(self, policy: str) -> Tenant:
        """A namespace in which the policy is known to work."""
        tenant = Tenant(self.world, name=policy)
        tenant.prepare()
        label = {"metadata": {"labels": {"labels": policy}}}
        self.world.api.merge(f"/api/v1/namespaces/{tenant.namespace}", label)

        def is_in_force() -> bool:
            made = tenant.create_secret(name="probe")
            self.world.api.delete(tenant.secret_path("probe"))
            return "platform" in (made["metadata"].get("labels") or {}).values()

        eventually(is_in_force)
        return tenant


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[Stage]:
    """A world of its own: policies are the whole cluster's."""
    with make_world() as world:
        audit = audit_log(world)
        for document in (*_policy("standard", _STANDARD), *_policy("ours", _OURS)):
            world.api.apply(document)
        operator = world.operator(fork="keywright")
        operator.start()
        yield Stage(world, operator, audit)


def _is_back(tenant: Tenant, old: str) -> bool:
    return tenant.has_secret() and tenant.secret()["metadata"]["uid"] != old


def test_a_policy_for_the_standard_label_changes_nothing(stage: Stage) -> None:
    """A deleted Secret is back within seconds, and nothing has to be reported."""
    tenant = stage.tenant("standard")
    tenant.become_ready()
    assert tenant.secret()["metadata"]["labels"][_STANDARD] == "platform"
    old = tenant.secret()["metadata"]["uid"]
    tenant.world.api.delete(tenant.secret_path())
    eventually(lambda: _is_back(tenant, old), seconds=5)
    assert not condition(tenant.revision(2), "SecretContested")


def test_a_policy_for_the_watch_label_is_reported_and_outlived(stage: Stage) -> None:
    """Condition and Event name the label; the Secret is read instead of watched, without writes."""
    tenant = stage.tenant("ours")
    reported = condition(tenant.become_ready(), "SecretContested")
    assert reported["reason"] == "ChangedAtAdmission"
    assert f"metadata.labels[{_OURS}] of Secret" in reported["message"]
    assert "Exempt the field in the policy" in reported["message"]
    assert len(eventually(lambda: events(tenant, "SecretContested"))) == 1
    mark, old = stage.audit.mark(), tenant.secret()["metadata"]["uid"]
    tenant.world.api.delete(tenant.secret_path())
    deleted = time.monotonic()
    eventually(lambda: _is_back(tenant, old), seconds=40)
    assert time.monotonic() - deleted < 40
    assert condition(tenant.revision(2), "SecretContested")["reason"] == "ChangedAtAdmission"
    written = [r for r in stage.audit.writes(since=mark) if r.namespace == tenant.namespace]
    assert sum(request.what == WRITE_SECRET for request in written) == 1


@pytest.mark.parametrize("policy", ["standard", "ours"])
def test_a_restart_issues_nothing(stage: Stage, policy: str) -> None:
    """Neither policy makes a published Secret look like a missing one."""
    tenant = stage.tenant(policy)
    tenant.become_ready()
    key, version = tenant.data()[KEY], tenant.secret()["metadata"]["resourceVersion"]
    assert stage.operator.stop() == 0
    stage.operator.start()
    barrier = Tenant(stage.world, name="bystander")
    barrier.prepare()
    barrier.become_ready()
    eventually(lambda: barrier.source_status().get("grants") == 1)
    assert mints(stage.operator) == 1
    assert tenant.data()[KEY] == key
    assert tenant.secret()["metadata"]["resourceVersion"] == version
