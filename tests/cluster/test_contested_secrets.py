"""Another manager that takes a field of ours back each time meets pauses, and is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from testbed.clusters.api import Api
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.audit import AuditLog
from tests.cluster.contests import MOST_WRITES, SECONDS, SPEC, THEIRS, after, label, writes_of
from tests.cluster.eventually import eventually
from tests.cluster.fights import (
    Answer,
    fight,
    wants,
)
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import GRANT, KEY, Document, Tenant, condition

pytestmark = pytest.mark.long


def test_a_renewal_is_written_in_time_during_a_contest(tenant: Tenant, audit: AuditLog) -> None:
    """The pause after the repairs is longer than what is left to the renewal."""
    tenant.world.aws.limit_sessions(seconds=30)
    first = tenant.become_ready(secret=SPEC)
    mark = audit.mark()
    with fight(tenant, wants(label("team"))):
        renewed = tenant.revision(2, seconds=40)
        again = tenant.revision(3, seconds=40)
    for before, following in ((first, renewed), (renewed, again)):
        due = datetime.fromisoformat(before["renewAt"])
        assert datetime.fromisoformat(following["issuedAt"]) <= due + timedelta(seconds=2)
    assert condition(again, "SecretContested")["reason"] == "FieldsTaken"
    assert condition(again, "Ready")["status"] == "True"
    assert writes_of(audit, tenant, mark) <= MOST_WRITES + 4


def test_a_restart_in_a_contest_brings_no_burst(
    tenant: Tenant, audit: AuditLog, session_operator: OperatorProcess
) -> None:
    """The condition shows that there is one: the next repair waits about a minute."""
    tenant.become_ready(secret=SPEC)
    with fight(tenant, wants(label("team"))):
        eventually(lambda: condition(tenant.status(), "SecretContested"))
        mark = audit.mark()
        assert session_operator.stop() == 0
        session_operator.start()
        eventually(after(10), seconds=15)
        assert writes_of(audit, tenant, mark) <= 1
    assert condition(tenant.status(), "SecretContested")


@pytest.fixture
def make_lasting(world: World, operator: OperatorProcess) -> Iterator[Callable[[], LongTermTenant]]:
    """Makes namespaces whose grants are long-term keys."""
    assert operator.process.exit_code is None
    yield from tenants(world, name="contested")


def _without_finalizer(api: Api, path: str, grant: Document) -> bool:
    if not grant["metadata"].get("finalizers"):
        return False
    api.merge(path, {"metadata": {"finalizers": None}})
    return True


def _without_conditions(api: Api, path: str, grant: Document) -> bool:
    if not grant.get("status", {}).get("conditions"):
        return False
    api.merge(f"{path}/status", {"status": {"conditions": None}})
    return True


@pytest.mark.parametrize("answer", [_without_finalizer, _without_conditions])
def test_contested_fields_of_a_grant_are_written_after_growing_pauses(
    make_lasting: Callable[[], LongTermTenant], audit: AuditLog, answer: Answer
) -> None:
    """Its finalizer and its status are the operator's fields too, and are put right in the end."""
    lasting = make_lasting()
    kept = lasting.key_ready()
    mark = audit.mark()
    with fight(lasting, answer, path=lasting.grant_path()) as other:
        eventually(after(SECONDS), seconds=SECONDS + 5)
        writes = audit.writes(since=mark, namespace=lasting.namespace)
        changed = sum("apikeygrants" in request.what for request in writes)
        # Five at once, then after 1, 2, 4 and 8 seconds; some of them meet a conflict.
        assert changed <= 2 * (5 + 4)
        assert other.changes >= 5
    eventually(lambda: lasting.grant()["metadata"].get("finalizers"), seconds=70)
    lasting.ready(seconds=70)
    assert lasting.listed() == {kept["keyId"]: "Active"}
    lasting.world.api.delete(lasting.grant_path(GRANT))
    eventually(lambda: lasting.listed() == {})


def test_a_long_term_key_is_not_issued_again_by_a_contest(
    make_lasting: Callable[[], LongTermTenant], audit: AuditLog
) -> None:
    """Its value is read back from another key of the Secret."""
    lasting = make_lasting()
    kept = lasting.key_ready()
    mark = audit.mark()
    with fight(lasting, wants({"data": {KEY: THEIRS}})):
        fought = after(SECONDS)
        eventually(lambda: condition(lasting.status(), "SecretContested"))
        eventually(fought, seconds=SECONDS + 5)
    assert writes_of(audit, lasting, mark) <= MOST_WRITES
    eventually(lambda: lasting.data()[KEY] != "theirs", seconds=SECONDS + 5)
    assert lasting.listed() == {kept["keyId"]: "Active"}
    assert lasting.status()["keyId"] == kept["keyId"]
    lasting.world.api.delete(lasting.grant_path(GRANT))
    eventually(lambda: lasting.listed() == {})
