"""Of two replicas one works; the other takes over, and nothing is written by one that has lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.audit import AuditLog, Mark, Request, credential_of
from tests.cluster.conftest import DEBUG
from tests.cluster.elections import holder, is_standby, leads
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Tenant
from tests.cluster.tier import Record

_LEASE_SECONDS = 3
_HANDED_OVER_SECONDS = 3.0


@dataclass(frozen=True)
class Pair:
    """Two replicas that run, with tokens of their own of the one ServiceAccount."""

    world: World
    leader: OperatorProcess
    other: OperatorProcess
    audit: AuditLog

    def writes_of(self, replica: OperatorProcess, *, since: Mark) -> list[Request]:
        """What one of them has changed; what was refused to it has changed nothing."""
        credential = credential_of(replica.kubeconfig)
        return [
            request
            for request in self.audit.requests(since=since)
            if request.is_write and request.credential == credential and request.code < 300
        ]


@pytest.fixture
def pair(world: World, session_operator: OperatorProcess, audit: AuditLog) -> Iterator[Pair]:
    """Two replicas with short Leases; the operator of the other tests rests meanwhile."""
    session_operator.stop()
    arguments = (*DEBUG, f"--lease-seconds={_LEASE_SECONDS}")
    replicas = [
        world.operator(identity=f"replica-{letter}", arguments=arguments, fork="keywright")
        for letter in "ab"
    ]
    try:
        for replica in replicas:
            replica.start()
            eventually(lambda: holder(world) == "replica-a")
        yield Pair(world, replicas[0], replicas[1], audit)
    finally:
        for replica in replicas:
            if replica.process.exit_code is None:
                replica.thaw()
                replica.stop()
        session_operator.start()


@pytest.fixture
def tenant(pair: Pair) -> Iterator[Tenant]:
    """A namespace with a Ready grant."""
    made = Tenant(pair.world, name="election")
    made.prepare()
    made.become_ready()
    yield made
    pair.world.api.delete(f"/api/v1/namespaces/{made.namespace}")


def ask(tenant: Tenant) -> None:
    """Ask for a renewal, which only a replica that works can give."""
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()})


def test_one_of_two_replicas_works(pair: Pair, tenant: Tenant) -> None:
    """Both are ready, one of them leads, and every write is by that one."""
    credential = credential_of(pair.other.kubeconfig)
    assert leads(pair.leader)
    assert is_standby(pair.other)
    assert pair.other.is_ready()
    assert tenant.has_secret(GRANT)
    writes = pair.audit.writes(namespace=tenant.namespace)
    assert {write.credential for write in writes} == {credential_of(pair.leader.kubeconfig)}
    assert credential not in {write.credential for write in writes}


def test_a_stopped_leader_hands_over_at_once(
    pair: Pair, tenant: Tenant, record_property: Record
) -> None:
    """After SIGTERM the other replica works within three seconds; the exit code is 0."""
    began = time.monotonic()
    assert pair.leader.stop() == 0
    record_property("stopped after SIGTERM, seconds", round(time.monotonic() - began, 2))
    eventually(
        lambda: leads(pair.other),
        seconds=_HANDED_OVER_SECONDS,
        reported=lambda: (pair.leader.process.log_end(), pair.other.process.log_end()),
    )
    took = time.monotonic() - began
    record_property("handed over after SIGTERM, seconds", round(took, 2))
    assert took < _HANDED_OVER_SECONDS
    tenant.apply_grant(name="next")
    tenant.ready(name="next", seconds=5)


def test_a_killed_leader_is_replaced_within_its_lease(
    pair: Pair, tenant: Tenant, record_property: Record
) -> None:
    """After SIGKILL the other replica works as soon as the Lease is over, and not before."""
    pair.leader.kill()
    began = time.monotonic()
    eventually(lambda: leads(pair.other), seconds=_LEASE_SECONDS + 2)
    took = time.monotonic() - began
    record_property("taken over after SIGKILL, seconds", round(took, 2))
    assert took > _LEASE_SECONDS / 2
    ask(tenant)
    tenant.revision(2, seconds=5)


def test_a_frozen_leader_writes_nothing_when_it_wakes(pair: Pair, tenant: Tenant) -> None:
    """A leader that slept past its Lease finds itself out of office before it writes anything.

    It has work to do the moment it wakes, and stands by again instead.
    """
    pair.leader.freeze()
    ask(tenant)
    tenant.apply_grant(name="meanwhile")
    # What it had sent before it froze is answered by the time that its Lease is over.
    eventually(lambda: holder(pair.world) == "replica-b", seconds=_LEASE_SECONDS + 3)
    mark = pair.audit.mark()
    tenant.revision(2)
    tenant.ready(name="meanwhile")
    tenant.edit_grant(name="meanwhile", bedrockShortTermKey={"duration": "11h"})
    pair.leader.thaw()
    tenant.edit_grant(bedrockShortTermKey={"duration": "10h"})
    eventually(lambda: "restarting as standby" in pair.leader.log.read_text())
    tenant.revision(3)
    tenant.revision(2, name="meanwhile")
    tenant.apply_grant(name="afterwards")
    tenant.ready(name="afterwards")
    eventually(lambda: pair.leader.is_ready() and is_standby(pair.leader))
    assert pair.writes_of(pair.leader, since=mark) == []
    assert pair.writes_of(pair.other, since=mark)
