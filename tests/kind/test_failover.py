"""Two replicas of the shipped Deployment, and what befalls the one that works."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from testbed.operators import NAMESPACE
from testbed.readers.ledger import expired, lateness, needless
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Tenant
from tests.cluster.tier import Record
from tests.kind.installation import Installation, container_id, is_ready, restarts
from tests.kind.stage import MARGIN, Stage

pytestmark = pytest.mark.kind
_GRANTS = 12
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@pytest.mark.timeout(420)
def test_no_renewal_is_missed_whatever_befalls_the_leader(
    stage: Stage, new_tenant: Callable[[], Tenant], record_property: Record
) -> None:
    """Killed, paused, deleted, replaced by an update: a dozen keys are renewed in time, each once.

    None expires before the next one is in its Secret, none is issued before its time or twice, and
    each renewal goes on after the last of the blows. That leaders change is seen in the Lease.
    """
    tenant = new_tenant()
    tenant.apply_source()
    names = [f"key-{number}" for number in range(_GRANTS)]
    for name in names:
        tenant.apply_grant(name=name, renewal={"before": MARGIN})
    for name in names:
        tenant.ready(name=name, seconds=60)
    for blow in (_kill, _pause, _delete, _update):
        stage.installation.wait_until_ready()
        before = _revisions(stage, tenant)
        began = time.monotonic()
        blow(stage)
        _renewed(stage, tenant, since=before)
        record_property(blow.__name__, f"all renewed after {time.monotonic() - began:.0f} s")
    for (namespace, name), entries in stage.ledger.entries().items():
        if namespace == tenant.namespace:
            assert expired(entries, until=time.time()) == [], name
            assert needless(entries) == [], name
            record_property(f"lateness of {name}", f"{max(lateness(entries)):.1f} s")
    assert "Traceback (most recent call last)" not in stage.installation.logs()


def _kill(stage: Stage) -> None:
    """The kernel ends the leader's process; the kubelet starts the container again."""
    leader = stage.installation.leader()
    pod = stage.installation.pod(leader)
    before = restarts(pod)
    stage.cluster.signal_container(container_id(pod), "SIGKILL")
    stage.installation.wait_for_pod(leader, lambda found: restarts(found) > before)


def _pause(stage: Stage) -> None:
    """The leader stands still for longer than its Lease; awake again, it must only watch."""
    leader = stage.installation.leader()
    container = container_id(stage.installation.pod(leader))
    stage.cluster.signal_container(container, "SIGSTOP")
    try:
        taken = stage.installation.wait_for_leader(other_than=leader)
    finally:
        stage.cluster.signal_container(container, "SIGCONT")
    stage.installation.wait_for_pod(leader, is_ready)
    assert stage.installation.leader() == taken


def _delete(stage: Stage) -> None:
    """The leader's pod is deleted; it stops in good order, and the other one takes over."""
    leader = stage.installation.leader()
    stage.world.api.delete(f"{_PODS}/{leader}")
    stage.installation.wait_for_leader(other_than=leader)


def _update(stage: Stage) -> None:
    """A new template: both pods are replaced."""
    before = _names(stage.installation)
    stage.installation.kubectl(
        "rollout", "restart", "deployment/keywright", f"--namespace={NAMESPACE}"
    )
    stage.installation.wait_until_ready()
    eventually(lambda: before.isdisjoint(_names(stage.installation)), seconds=60)


def _names(installation: Installation) -> set[str]:
    return {pod["metadata"]["name"] for pod in installation.pods()}


def _revisions(stage: Stage, tenant: Tenant) -> dict[str, int]:
    return {
        name: revision
        for (namespace, name), revision in stage.ledger.revisions().items()
        if namespace == tenant.namespace
    }


def _renewed(stage: Stage, tenant: Tenant, *, since: dict[str, int]) -> None:
    """Return once each grant has a key that was minted after those."""

    def all_newer() -> bool:
        now = _revisions(stage, tenant)
        return all(now[name] > revision for name, revision in since.items())

    assert len(since) == _GRANTS
    eventually(all_newer, seconds=120, reported=lambda: (since, _revisions(stage, tenant)))
