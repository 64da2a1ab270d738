"""The previous value in a Secret: for receivers that must accept two keys during the overlap."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.operators import OperatorProcess
from testbed.readers import PollingReader, partner
from testbed.workloads import WorkloadControllers
from tests.cluster.eventually import eventually
from tests.cluster.gateway import KEY, PARTNER, GatewayTenant
from tests.cluster.rollouts import let_restart, rolled_out, workload

_PREVIOUS = partner.PREVIOUS_KEY
_WITH_PREVIOUS = {"secret": {"includePrevious": True}}
_RENEWALS = 20


@pytest.fixture
def tenant(new_gateway_tenant: Callable[[], GatewayTenant]) -> GatewayTenant:
    """A namespace whose grants are API Gateway keys."""
    return new_gateway_tenant()


def audit_lines(operator: OperatorProcess, tenant: GatewayTenant) -> Counter[tuple[str, str]]:
    """How many lines of each action and reason the tenant's grant has."""
    entries = (
        json.loads(line)
        for line in operator.log.read_text().splitlines()
        if line.startswith("{") and "keywright.audit" in line
    )
    return Counter(
        (entry["action"], entry["reason"])
        for entry in entries
        if entry.get("grant") == f"{tenant.namespace}/{PARTNER}"
    )


def test_the_previous_value_comes_and_goes_without_a_restart(
    tenant: GatewayTenant, operator: OperatorProcess
) -> None:
    """Empty, the old value for the overlap, empty again: one restart, one renewal."""
    let_restart(tenant)
    tenant.world.api.create(workload(tenant, "Deployment", "orders"))
    restart = {"restart": [{"kind": "Deployment", "name": "orders"}]}
    with WorkloadControllers(tenant.world, namespace=tenant.namespace) as controllers:
        tenant.apply_source()
        tenant.apply_key(spec={**_WITH_PREVIOUS, "rollout": restart}, **tenant.made_plan())
        rolled_out(tenant, revision=1)
        first = tenant.data()
        assert first[_PREVIOUS] == ""
        tenant.renew(revision=2)
        second = tenant.data()
        assert second[_PREVIOUS] == first[KEY] != second[KEY]
        rolled_out(tenant, revision=2)
        before = tenant.rotated(2)
        eventually(lambda: tenant.data()[_PREVIOUS] == "")
        assert tenant.data() == {**second, _PREVIOUS: ""}
        assert controllers.restarts("orders") == 1
    after = tenant.status()
    assert (after["fingerprint"], after["revision"]) == (before["fingerprint"], 2)
    expected = {
        ("Issued", "New"): 1,
        ("Renewed", "Requested"): 1,
        ("Restarted", "DataChanged"): 1,
        ("Retired", "OverlapEnded"): 1,
    }
    eventually(lambda: audit_lines(operator, tenant) == expected)


def test_it_can_be_added_to_a_grant_and_removed_from_it(tenant: GatewayTenant) -> None:
    """By an edit of the grant: the key stays, and no trace is left of it."""
    tenant.key_ready(**tenant.made_plan())
    key = tenant.data()[KEY]
    tenant.edit_grant(name=PARTNER, **_WITH_PREVIOUS)
    eventually(lambda: tenant.data().get(_PREVIOUS) == "")
    tenant.edit_grant(name=PARTNER, secret={"includePrevious": False})
    eventually(lambda: _PREVIOUS not in tenant.data())
    assert tenant.data()[KEY] == key
    assert "keywright.dev/previous-key" not in tenant.secret()["metadata"]["annotations"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_receiver_of_two_keys_refuses_no_slow_client(
    tenant: GatewayTenant, tmp_path: Path
) -> None:
    """Twenty renewals; the client keeps each key for most of the overlap. No call is refused."""
    tenant.apply_source()
    tenant.apply_key(spec=_WITH_PREVIOUS, overlap="3s", **tenant.made_plan())
    tenant.ready()
    with PollingReader(
        tmp_path,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=PARTNER,
        cloud_environment={**tenant.environment(), partner.HOLD_SECONDS: "2"},
        interval_seconds=0.1,
        clients=[partner.NAME],
    ) as reader:
        reader.wait_until(bool, seconds=20)
        for number in range(2, _RENEWALS + 2):
            tenant.renew(revision=number)
            tenant.rotated(number)
    assert reader.failures() == []
    answers = {(reading.revision, reading.text) for reading in reader.readings()}
    for number in range(2, _RENEWALS + 2):
        assert (str(number), partner.ACCEPTED_PREVIOUS) in answers, number
        assert (str(number), partner.ACCEPTED_CURRENT) in answers, number
