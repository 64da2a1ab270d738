"""Workloads that read a Secret are restarted when its data has changed, and at no other time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from testbed.operators import OperatorProcess
from testbed.workloads import PLURALS, WorkloadControllers
from testbed.world import ROOT, World
from tests.cluster.audit import BEGINNING, AuditLog, Request
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.rollouts import (
    apply_access,
    batches,
    let_restart,
    mark,
    reported_by_event,
    restarts,
    rolled_out,
    workload,
)
from tests.cluster.tenants import Document, Tenant, after_the_second_of, condition

_ONE = [{"kind": "Deployment", "name": "chat"}]
_MANY = [{"kind": "Deployment", "selector": {"matchLabels": {"tier": "chat"}}}]


def ask(tenant: Tenant) -> None:
    """Ask for another key now; one of the same second would be the same."""
    after_the_second_of(tenant.status())
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})


def die(world: World, *, at: str) -> None:
    """An operator lives until that request, and ends by it."""
    modules = os.pathsep.join((str(ROOT / "operator"), str(ROOT)))
    operator = world.operator(
        arguments=DEBUG,
        fork="tests.cluster.killed_operator",
        environment={"KILL_AT": at, "PYTHONPATH": modules},
    )
    operator.spawn()
    eventually(lambda: operator.process.exit_code is not None, seconds=40)
    assert operator.process.exit_code == -signal.SIGKILL


@pytest.mark.long
@pytest.mark.timeout(180)
def test_thirty_workloads_are_restarted_in_batches_through_two_kills(
    tenant: Tenant, operator: OperatorProcess, audit: AuditLog
) -> None:
    """Killed in the middle of two batches: order and pace hold, and each is restarted once.

    No batch has more than five workloads, begins before the one before it is available, or sooner
    than a second after it.
    """
    let_restart(tenant)
    names = [f"chat-{number:02}" for number in range(30)]
    for name in names:
        tenant.world.api.create(workload(tenant, "Deployment", name))
    with WorkloadControllers(tenant.world, namespace=tenant.namespace) as controllers:
        rollout = {"restart": _MANY, "batchSize": 5, "minInterval": "1s"}
        tenant.become_ready(rollout=rollout)
        rolled_out(tenant, revision=1)
        since = audit.mark()
        operator.kill()
        ask(tenant)
        die(tenant.world, at="after api /deployments/chat-07 restarted-for")
        die(tenant.world, at="before api /deployments/chat-18 restarted-for")
        operator.start()
        rolled_out(tenant, revision=2)
    restarted = restarts(audit, tenant, since=since)
    assert [each.name for each in restarted] == names
    assert {each.code for each in restarted} == {200}
    assert [controllers.restarts(name) for name in names] == [1] * 30
    available = {
        each.name: each.available for each in controllers.rolled_out if each.generation == 2
    }
    parts = batches(restarted, apart=timedelta(seconds=1))
    assert max(len(part) for part in parts) == 5
    for before, after in pairwise(parts):
        assert all(
            (available[each.name] or after[0].received) < after[0].received for each in before
        )
    assert {mark(tenant, "Deployment", name) for name in names} == {
        tenant.secret()["metadata"]["annotations"]["keywright.dev/fingerprint"].split(".")[1][:16]
    }


def test_each_kind_is_restarted_when_data_has_changed_and_only_then(
    tenant: Tenant, operator: OperatorProcess, audit: AuditLog
) -> None:
    """By name and by labels, in the order of the spec, for a new key or a new layout.

    Not for the first key, not for another label, not for a repair; and once it is over the
    workloads are not even read.
    """
    assert operator.process.exit_code is None
    targets = _one_of_each(tenant)
    every = ["node", "store", "asleep", "paused", "web"]
    with WorkloadControllers(tenant.world, namespace=tenant.namespace):
        tenant.become_ready(rollout={"restart": targets, "batchSize": 2})
        rolled_out(tenant, revision=1)
        assert restarts(audit, tenant, since=BEGINNING) == []

        since = audit.mark()
        ask(tenant)
        rolled_out(tenant, revision=2)
        assert [each.name for each in restarts(audit, tenant, since=since)] == every
        assert reported_by_event(tenant, "RolloutCompleted").startswith("5 of 5 workloads")

        since = audit.mark()
        tenant.edit_grant(secret={"data": {"MY_KEY": "${apiKey}"}})
        eventually(lambda: "MY_KEY" in tenant.data())
        rolled_out(tenant, revision=2)
        assert [each.name for each in restarts(audit, tenant, since=since)] == every

        since = audit.mark()
        tenant.edit_grant(secret={"labels": {"team": "chat"}})
        tenant.ready()
        tenant.patch(tenant.secret_path(), {"data": {"MY_KEY": "c3B5"}})
        eventually(lambda: tenant.data()["MY_KEY"] != "spy")
        rolled_out(tenant, revision=2)
    assert [r for r in audit.requests(since=since, namespace=tenant.namespace) if _of_apps(r)] == []


def test_missing_rights_are_told_and_heal(tenant: Tenant, operator: OperatorProcess) -> None:
    """The key is published and Ready all the same; the condition names the Role to apply."""
    tenant.world.api.create(workload(tenant, "Deployment", "concierge"))
    with WorkloadControllers(tenant.world, namespace=tenant.namespace) as controllers:
        tenant.become_ready(rollout={"restart": [{"kind": "Deployment", "name": "concierge"}]})
        ask(tenant)
        reported = tenant.reported("RolloutFailing", reason="RolloutForbidden")
        assert condition(reported, "Ready")["status"] == "True"
        message = condition(reported, "RolloutFailing")["message"]
        for words in ("spec.rollout.restart", tenant.namespace, "kubectl create rolebinding"):
            assert words in message
        assert "keywright-rollouts" in message
        assert reported_by_event(tenant, "RolloutFailing") == message
        # The Role of the example: this Deployment, and no other.
        apply_access(tenant)
        rolled_out(tenant, revision=2)
        assert controllers.restarts("concierge") == 1
    assert not condition(tenant.status(), "RolloutFailing")
    counted = operator.get("/metrics")
    assert 'keywright_rollout_restarts_total{kind="Deployment",result="success"}' in counted


def test_a_newer_key_supersedes_a_rollout_and_a_batch_waits(
    tenant: Tenant, operator: OperatorProcess, audit: AuditLog
) -> None:
    """While the first does not become available the second is left alone.

    The next key restarts both, once each: the second never hears of the key in between.
    """
    assert operator.process.exit_code is None
    let_restart(tenant)
    targets = [{"kind": "Deployment", "name": name} for name in ("first", "second")]
    for target in targets:
        tenant.world.api.create(workload(tenant, "Deployment", target["name"]))
    with WorkloadControllers(tenant.world, namespace=tenant.namespace) as controllers:
        tenant.become_ready(rollout={"restart": targets, "batchSize": 1})
        rolled_out(tenant, revision=1)
        controllers.stuck.add("first")
        ask(tenant)
        eventually(lambda: controllers.restarts("first") == 1)
        since = audit.mark()
        eventually(lambda: sum(map(_of_apps, audit.requests(since=since))) > 4)
        assert controllers.restarts("second") == 0
        ask(tenant)
        eventually(lambda: controllers.restarts("first") == 2)
        controllers.stuck.clear()
        rolled_out(tenant, revision=3)
        assert [controllers.restarts(name) for name in ("first", "second")] == [2, 1]


def test_a_rollout_stays_in_its_namespace(
    new_tenant: Callable[[], Tenant], operator: OperatorProcess, audit: AuditLog
) -> None:
    """Workloads of the same name and labels in another namespace are not even read."""
    assert operator.process.exit_code is None
    ours, theirs = new_tenant(), new_tenant()
    for tenant in (ours, theirs):
        let_restart(tenant)
        tenant.world.api.create(workload(tenant, "Deployment", "chat"))
    with WorkloadControllers(ours.world, namespace=ours.namespace):
        ours.become_ready(rollout={"restart": [*_ONE, *_MANY]})
        ask(ours)
        rolled_out(ours, revision=2)
    assert [each.name for each in restarts(audit, ours, since=BEGINNING)] == ["chat"]
    assert [each for each in audit.requests(namespace=theirs.namespace) if _of_apps(each)] == []
    assert mark(theirs, "Deployment", "chat") is None


def _one_of_each(tenant: Tenant) -> list[Document]:
    """Workloads of every kind, two of them without pods to restart; returns what names them."""
    let_restart(tenant)
    for kind, name in (("Deployment", "web"), ("StatefulSet", "store"), ("DaemonSet", "node")):
        tenant.world.api.create(workload(tenant, kind, name))
    tenant.world.api.create(workload(tenant, "Deployment", "asleep", replicas=0))
    tenant.world.api.create(workload(tenant, "Deployment", "paused", paused=True))
    return [
        {"kind": "DaemonSet", "name": "node"},
        {"kind": "StatefulSet", "selector": {"matchExpressions": [_tier("In", ["chat"])]}},
        {"kind": "Deployment", "selector": {"matchLabels": {"tier": "chat"}}},
        {"kind": "Deployment", "name": "web"},
    ]


def _tier(operator: str, values: list[str]) -> Document:
    return {"key": "tier", "operator": operator, "values": values}


def _of_apps(request: Request) -> bool:
    return request.what.split()[1] in PLURALS.values()
