"""Rollouts of Argo Rollouts, where its CRD is installed and where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from testbed.operators import OperatorProcess
from testbed.workloads import WorkloadControllers
from testbed.world import World
from tests.cluster.audit import AuditLog
from tests.cluster.eventually import eventually
from tests.cluster.rollouts import (
    ARGO_SERVED,
    install_argo,
    let_restart,
    mark,
    path,
    reported_by_event,
    restarts,
    rolled_out,
    workload,
)
from tests.cluster.tenants import Tenant, condition
from tests.cluster.test_rollouts import ask

_CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.argoproj.io"


@pytest.fixture
def without_argo(world: World) -> Iterator[None]:
    """A cluster that does not know Rollouts, and will not when the test is over."""
    if world.api.exists(_CRD_PATH):
        pytest.skip("Argo Rollouts is installed in this cluster, and is not ours to remove")
    yield
    world.api.delete(_CRD_PATH)
    eventually(lambda: not world.api.exists(ARGO_SERVED))


@pytest.mark.usefixtures("without_argo")
def test_rollouts_are_restarted_once_the_cluster_knows_them(
    tenant: Tenant, operator: OperatorProcess, audit: AuditLog
) -> None:
    """Before, the condition says so and the others go on; after, by Argo's own restart, once a key.

    The pod template is left alone: no canary begins.
    """
    assert operator.process.exit_code is None
    let_restart(tenant)
    tenant.world.api.create(workload(tenant, "Deployment", "web"))
    targets = [
        {"kind": "Rollout", "name": "chat"},
        {"kind": "Rollout", "selector": {"matchLabels": {"tier": "chat"}}},
        {"kind": "Deployment", "name": "web"},
    ]
    with WorkloadControllers(tenant.world, namespace=tenant.namespace) as controllers:
        tenant.become_ready(rollout={"restart": targets, "batchSize": 1})
        rolled_out(tenant, revision=1)
        ask(tenant)
        reported = rolled_out(tenant, revision=2)
        assert controllers.restarts("web") == 1
        failing = condition(reported, "RolloutFailing")
        assert failing["reason"] == "WorkloadKindUnknown"
        for words in ("spec.rollout.restart[0].kind", "Argo Rollouts is not installed"):
            assert words in failing["message"]
        assert condition(reported, "Ready")["status"] == "True"
        assert reported_by_event(tenant, "RolloutFailing") == failing["message"]

        install_argo(tenant.world)
        for name in ("chat", "other"):
            tenant.world.api.create(workload(tenant, "Rollout", name))
        template = tenant.world.api.get(path(tenant, "Rollout", "chat"))["spec"]["template"]
        since, requested = audit.mark(), datetime.now(UTC).replace(microsecond=0)
        ask(tenant)
        reported = rolled_out(tenant, revision=3)
        assert not condition(reported, "RolloutFailing")
        names = ["chat", "other", "web"]
        assert [each.name for each in restarts(audit, tenant, since=since)] == names
        assert [controllers.restarts(name) for name in names] == [1, 1, 2]
    body = tenant.world.api.get(path(tenant, "Rollout", "chat"))
    assert body["spec"]["template"] == template
    assert requested <= datetime.fromisoformat(body["spec"]["restartAt"])
    assert body["status"]["restartedAt"] == body["spec"]["restartAt"]
    assert mark(tenant, "Rollout", "chat") == mark(tenant, "Deployment", "web")
    counted = operator.get("/metrics")
    assert 'keywright_rollout_restarts_total{kind="Rollout",result="success"}' in counted
