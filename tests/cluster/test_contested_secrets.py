"""Another manager that takes a field of ours back each time meets pauses, and is reported."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from testbed.clusters.api import Api
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.audit import WRITE_SECRET, AuditLog, Mark
from tests.cluster.eventually import eventually
from tests.cluster.fights import (
    Answer,
    deletes,
    fight,
    wants,
    wants_by_apply,
    wants_by_update,
)
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.rollouts import events
from tests.cluster.tenants import GRANT, KEY, Document, Tenant, condition
from tests.cluster.tier import Record

pytestmark = pytest.mark.long

_SECONDS = 20
# The first repair, and those after pauses of 1, 2, 4 and 8 seconds; one more for a late start.
_MOST_WRITES = 6
_THEIRS = base64.b64encode(b"theirs").decode()
_SPEC = {"labels": {"team": "chat"}, "annotations": {"example.com/owner": "chat"}}


@dataclass(frozen=True)
class Case:
    """What the other manager wants, and what is said of it."""

    name: str
    answer: Answer
    field: str
    manager: str = "policy-controller"
    ready: bool = True

    def __str__(self) -> str:
        return self.name


def _label(name: str) -> Document:
    return {"metadata": {"labels": {name: "platform"}}}


def _all_theirs(secret: Document) -> None:
    secret["data"] = {KEY: _THEIRS}
    secret["metadata"]["labels"] = {"team": "platform"}


CASES = (
    Case("label", wants(_label("team")), "metadata.labels[team]"),
    Case(
        "managed-by",
        wants(_label("app.kubernetes.io/managed-by")),
        "metadata.labels[app.kubernetes.io/managed-by]",
    ),
    Case(
        "watch-label",
        wants(_label("keywright.dev/managed")),
        "metadata.labels[keywright.dev/managed]",
    ),
    Case(
        "label-by-apply",
        wants_by_apply(_label("team"), manager="gitops"),
        "metadata.labels[team]",
        manager="gitops",
    ),
    Case(
        "annotation",
        wants({"metadata": {"annotations": {"example.com/owner": "platform"}}}),
        "metadata.annotations[example.com/owner]",
    ),
    Case("data-key", wants({"data": {KEY: _THEIRS}}), f"data[{KEY}]", ready=False),
    Case(
        "data-key-removed",
        wants({"data": {"AWS_REGION": None}}),
        "data[AWS_REGION]",
        manager="a manager that managedFields does not name",
        ready=False,
    ),
    Case(
        "whole-secret-by-update",
        wants_by_update(_all_theirs, manager="replicator"),
        f"data[{KEY}]",
        manager="replicator",
        ready=False,
    ),
    Case(
        "deleted",
        deletes,
        "the Secret itself",
        manager="a manager that managedFields does not name",
        ready=False,
    ),
)


def _writes(audit: AuditLog, tenant: Tenant, since: Mark) -> int:
    requests = audit.requests(since=since, namespace=tenant.namespace)
    return sum(request.what == WRITE_SECRET for request in requests)


def _after(seconds: float) -> Callable[[], bool]:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return lambda: datetime.now(UTC) >= until


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_contested_field_is_repaired_after_growing_pauses(
    tenant: Tenant, audit: AuditLog, case: Case, record_property: Record
) -> None:
    """In 20 s there are at most six writes; one condition and one Event name field and manager.

    Once the other manager stops, the field is repaired within the pause of that time.
    """
    tenant.become_ready(secret=_SPEC)
    mark = audit.mark()
    with fight(tenant, case.answer) as other:
        fought = _after(_SECONDS)
        reported = eventually(lambda: condition(tenant.status(), "SecretContested"))
        eventually(fought, seconds=_SECONDS + 5)
        ready = condition(tenant.status(), "Ready")
    assert reported["reason"] == "FieldsTaken"
    assert case.field in reported["message"]
    assert f"changed again by {case.manager}" in reported["message"]
    if case.ready:
        assert (ready["status"], ready["reason"]) == ("True", "Succeeded")
    else:
        assert (ready["status"], ready["reason"]) == ("False", "SecretContested")
    writes = _writes(audit, tenant, mark)
    record_property("writes of the Secret in 20 s of contest", writes)
    assert 3 <= writes <= _MOST_WRITES
    assert other.changes >= writes - 1
    assert len(eventually(lambda: events(tenant, "SecretContested"))) == 1

    def is_repaired() -> bool:
        if not tenant.has_secret():
            return False
        secret = tenant.secret()
        theirs = {**secret["metadata"]["labels"], **secret["metadata"]["annotations"]}
        data = tenant.data()
        ours = "AWS_REGION" in data and data.get(KEY, "").startswith("bedrock-api-key-")
        return ours and "platform" not in theirs.values()

    eventually(is_repaired, seconds=_SECONDS + 5)


def test_a_renewal_is_written_in_time_during_a_contest(tenant: Tenant, audit: AuditLog) -> None:
    """The pause after the repairs is longer than what is left to the renewal."""
    tenant.world.aws.limit_sessions(seconds=30)
    first = tenant.become_ready(secret=_SPEC)
    mark = audit.mark()
    with fight(tenant, wants(_label("team"))):
        renewed = tenant.revision(2, seconds=40)
        again = tenant.revision(3, seconds=40)
    for before, after in ((first, renewed), (renewed, again)):
        due = datetime.fromisoformat(before["renewAt"])
        assert datetime.fromisoformat(after["issuedAt"]) <= due + timedelta(seconds=2)
    assert condition(again, "SecretContested")["reason"] == "FieldsTaken"
    assert condition(again, "Ready")["status"] == "True"
    assert _writes(audit, tenant, mark) <= _MOST_WRITES + 4


def test_a_restart_in_a_contest_brings_no_burst(
    tenant: Tenant, audit: AuditLog, session_operator: OperatorProcess
) -> None:
    """The condition shows that there is one: the next repair waits about a minute."""
    tenant.become_ready(secret=_SPEC)
    with fight(tenant, wants(_label("team"))):
        eventually(lambda: condition(tenant.status(), "SecretContested"))
        mark = audit.mark()
        assert session_operator.stop() == 0
        session_operator.start()
        eventually(_after(10), seconds=15)
        assert _writes(audit, tenant, mark) <= 1
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
        eventually(_after(_SECONDS), seconds=_SECONDS + 5)
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
    with fight(lasting, wants({"data": {KEY: _THEIRS}})):
        fought = _after(_SECONDS)
        eventually(lambda: condition(lasting.status(), "SecretContested"))
        eventually(fought, seconds=_SECONDS + 5)
    assert _writes(audit, lasting, mark) <= _MOST_WRITES
    eventually(lambda: lasting.data()[KEY] != "theirs", seconds=_SECONDS + 5)
    assert lasting.listed() == {kept["keyId"]: "Active"}
    assert lasting.status()["keyId"] == kept["keyId"]
    lasting.world.api.delete(lasting.grant_path(GRANT))
    eventually(lambda: lasting.listed() == {})
