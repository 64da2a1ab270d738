"""Another manager that takes a field back each time: growing pauses, and one report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.conftest import audit_log
from tests.cluster.contests import MOST_WRITES, SECONDS, SPEC, THEIRS, after, label, writes_of
from tests.cluster.eventually import eventually
from tests.cluster.fights import (
    Answer,
    deletes,
    fight,
    wants,
    wants_by_apply,
    wants_by_update,
)
from tests.cluster.rollouts import events
from tests.cluster.tenants import KEY, Document, Tenant, condition
from tests.cluster.tier import Record

pytestmark = pytest.mark.long


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


def _all_theirs(secret: Document) -> None:
    secret["data"] = {KEY: THEIRS}
    secret["metadata"]["labels"] = {"team": "platform"}


CASES = (
    Case("label", wants(label("team")), "metadata.labels[team]"),
    Case(
        "managed-by",
        wants(label("app.kubernetes.io/managed-by")),
        "metadata.labels[app.kubernetes.io/managed-by]",
    ),
    Case(
        "watch-label",
        wants(label("keywright.dev/managed")),
        "metadata.labels[keywright.dev/managed]",
    ),
    Case(
        "label-by-apply",
        wants_by_apply(label("team"), manager="gitops"),
        "metadata.labels[team]",
        manager="gitops",
    ),
    Case(
        "annotation",
        wants({"metadata": {"annotations": {"example.com/owner": "platform"}}}),
        "metadata.annotations[example.com/owner]",
    ),
    Case("data-key", wants({"data": {KEY: THEIRS}}), f"data[{KEY}]", ready=False),
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


@dataclass(slots=True)
class Contest:
    """One case as it is played, and what was seen of it."""

    case: Case
    tenant: Tenant
    reported: Document
    ready: Document
    writes: int
    changes: int
    is_repaired: bool

    def events(self) -> list[str]:
        """The Events of the contest."""
        return events(self.tenant, "SecretContested")


@pytest.fixture(scope="module")
def contests(world: World, session_operator: OperatorProcess) -> Iterator[dict[Case, Contest]]:
    """All cases at once, each in its namespace: every one of them mostly waits."""
    assert session_operator.process.exit_code is None
    tenants_of = {case: Tenant(world, name=f"contest-{case}") for case in CASES}
    for tenant in tenants_of.values():
        tenant.prepare()
        tenant.apply_source()
        tenant.apply_grant(secret=SPEC)
    for tenant in tenants_of.values():
        tenant.ready()
    audit = audit_log(world)
    mark = audit.mark()
    with ExitStack() as fights:
        others = {
            case: fights.enter_context(fight(tenant, case.answer))
            for case, tenant in tenants_of.items()
        }
        fought = after(SECONDS)
        reported = {
            case: eventually(partial(_contested, tenant)) for case, tenant in tenants_of.items()
        }
        eventually(fought, seconds=SECONDS + 5)
        ready = {case: condition(tenant.status(), "Ready") for case, tenant in tenants_of.items()}
    writes = {case: writes_of(audit, tenant, mark) for case, tenant in tenants_of.items()}
    waiting = set(CASES)

    def are_repaired() -> bool:
        waiting.difference_update([each for each in waiting if _is_repaired(tenants_of[each])])
        return not waiting

    # What is not repaired in time fails its own test.
    with suppress(AssertionError):
        eventually(are_repaired, seconds=SECONDS + 5)
    yield {
        case: Contest(
            case,
            tenant,
            reported=reported[case],
            ready=ready[case],
            writes=writes[case],
            changes=others[case].changes,
            is_repaired=case not in waiting,
        )
        for case, tenant in tenants_of.items()
    }
    for tenant in tenants_of.values():
        world.api.delete(f"/api/v1/namespaces/{tenant.namespace}")


def _contested(tenant: Tenant) -> Document:
    return condition(tenant.status(), "SecretContested")


def _is_repaired(tenant: Tenant) -> bool:
    if not tenant.has_secret():
        return False
    secret = tenant.secret()
    theirs = {**secret["metadata"]["labels"], **secret["metadata"]["annotations"]}
    data = tenant.data()
    ours = "AWS_REGION" in data and data.get(KEY, "").startswith("bedrock-api-key-")
    return ours and "platform" not in theirs.values()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_contested_field_is_repaired_after_growing_pauses(
    contests: dict[Case, Contest], case: Case, record_property: Record
) -> None:
    """In 20 s there are at most six writes; one condition and one Event name field and manager.

    Once the other manager stops, the field is repaired within the pause of that time.
    """
    contest = contests[case]
    assert contest.reported["reason"] == "FieldsTaken"
    assert case.field in contest.reported["message"]
    assert f"changed again by {case.manager}" in contest.reported["message"]
    ready = contest.ready
    if case.ready:
        assert (ready["status"], ready["reason"]) == ("True", "Succeeded")
    else:
        assert (ready["status"], ready["reason"]) == ("False", "SecretContested")
    record_property("writes of the Secret in 20 s of contest", contest.writes)
    assert 3 <= contest.writes <= MOST_WRITES
    assert contest.changes >= contest.writes - 1
    assert len(eventually(contest.events)) == 1
    assert contest.is_repaired
