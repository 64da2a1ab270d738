"""Times that a tenant writes into annotations affect no other tenant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.operators import OperatorProcess
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Tenant

_TIMES = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00")


@pytest.mark.parametrize("time", _TIMES)
def test_a_time_at_the_end_of_the_calendar_stops_no_worker(
    new_tenant: Callable[[], Tenant], operator: OperatorProcess, time: str
) -> None:
    """Such a time once ended all thirty-two workers, so that no key was renewed; /livez was ok."""
    hostile, honest = new_tenant(), new_tenant()
    hostile.become_ready()
    path = hostile.secret_path()
    annotations = {f"keywright.dev/{name}": time for name in ("renew-at", "expires-at")}
    hostile.patch(path, {"metadata": {"annotations": annotations}})

    def repaired() -> bool:
        found = hostile.secret()["metadata"]["annotations"]
        return time not in {found.get(name) for name in annotations}

    hostile.annotate_grant(**{"keywright.dev/renew-requested-at": time})
    honest.become_ready()
    # The Secret is repaired like after any other edit.
    eventually(repaired)
    assert operator.get("/livez") == "ok\n"
    assert "keywright_task_restarts_total{" not in operator.get("/metrics")
