"""A restart costs nothing: five hundred fresh grants are looked at, and left as they are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.audit import CREATE_EVENT, RENEW_LEASE, AuditLog
from tests.cluster.conftest import DEBUG, audit_log
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Tenant, condition
from tests.cluster.tier import Record
from tests.cluster.worlds import MakeWorld

_GRANTS = 500
pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Busy:
    """A world of its own, with an operator and five hundred Ready grants of one source."""

    world: World
    operator: OperatorProcess
    tenant: Tenant
    audit: AuditLog
    seconds_to_ready: float
    sessions: int


@pytest.fixture(scope="module")
def busy(make_world: MakeWorld) -> Iterator[Busy]:
    """It, made once: its tests leave it as they found it."""
    with make_world() as world:
        operator = world.operator(arguments=DEBUG)
        operator.start()
        tenant = Tenant(world, name="busy")
        tenant.prepare()
        tenant.apply_source()
        for number in range(_GRANTS):
            world.api.create(tenant.grant_body(name=f"grant-{number:03}"))
        made = time.monotonic()
        grants = tenant.grant_path("").rstrip("/")
        eventually(
            lambda: all(
                condition(grant.get("status", {}), "Ready").get("status") == "True"
                for grant in world.api.get(grants)["items"]
            ),
            seconds=60,
        )
        took = time.monotonic() - made
        eventually(lambda: tenant.source_status().get("grants") == _GRANTS)
        yield Busy(world, operator, tenant, audit_log(world), took, tenant.session_calls())


def all_looked_at(barrier: Tenant) -> None:
    """Return once a grant that was made last is Ready and counted by its source.

    The queue is first in, first out, and the count is the last that an operator writes: when they
    are done, so is everything that was there before them.
    """
    barrier.become_ready()
    eventually(lambda: barrier.source_status().get("grants") == 1)


def test_grants_of_one_source_share_a_session(busy: Busy, record_property: Record) -> None:
    """Five hundred grants cost one AssumeRoleWithWebIdentity, whichever is first."""
    record_property(
        "500 grants, last applied to all Ready, seconds", round(busy.seconds_to_ready, 2)
    )
    assert busy.sessions == 1


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_restart_asks_and_writes_nothing(busy: Busy, how: str, record_property: Record) -> None:
    """After a restart AWS hears nothing, and the API server no write but that of the Lease."""
    mark = busy.audit.mark()
    if how == "SIGTERM":
        assert busy.operator.stop() == 0
    else:
        busy.operator.kill()
    busy.world.aws.forget_calls()
    started = time.monotonic()
    busy.operator.start()
    record_property(
        "restart with 500 grants to ready, seconds", round(time.monotonic() - started, 2)
    )
    barrier = Tenant(busy.world, name=f"bystander-{how.lower()}")
    barrier.prepare()
    all_looked_at(barrier)
    # Events of earlier actions may still be posted.
    writes = [
        write
        for write in busy.audit.writes(since=mark)
        if write.namespace != barrier.namespace and write.what != CREATE_EVENT
    ]
    assert Counter((write.what, write.namespace, write.name) for write in writes) == Counter()
    names = {call.parameters.get("RoleSessionName") for call in busy.world.aws.calls(service="sts")}
    assert names - {None} == {f"{barrier.namespace}.bedrock"}
    requests = busy.audit.requests(since=mark)
    assert any(request.what == RENEW_LEASE for request in requests)
    assert not [request for request in requests if request.code == 403]
