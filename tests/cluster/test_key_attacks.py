"""A tenant goes for another's key in the cloud: by a source, an annotation or a status.

Rules 7, 8, 10 and 11: a key is removed on proof of whose it is, by a source that allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LIMITED, LongTermTenant, short, tenants
from tests.cluster.tenants import GRANT, SOURCE, Document, condition

_BOUNDED = 90.0


@pytest.fixture
def make_tenant(
    world: World, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Callable[[], LongTermTenant]]:
    """Namespaces whose grants are long-term keys."""
    assert operator.process.exit_code is None
    yield from tenants(world, name=short(request))


@pytest.fixture
def victim(make_tenant: Callable[[], LongTermTenant]) -> Iterator[LongTermTenant]:
    """A tenant with a key of an existing IAM user, which no tag identifies."""
    made = make_tenant()
    made.iam.create_user(UserName=made.user, Path="/keywright/")
    made.iam.attach_user_policy(UserName=made.user, PolicyArn=LIMITED)
    status = made.key_ready(user={"name": made.user, "create": False})
    yield made
    assert made.listed()[status["keyId"]] == "Active"
    assert made.works()
    assert condition(made.status(), "Ready")["status"] == "True"


@pytest.fixture
def attacker(make_tenant: Callable[[], LongTermTenant]) -> LongTermTenant:
    """Another tenant, with a namespace and a role of its own."""
    return make_tenant()


def _aim(attacker: LongTermTenant, victim: LongTermTenant, *, by: str) -> str:
    """Apply what the attack needs, with the source of that namespace; returns the victim's key."""
    theirs: str = victim.status()["keyId"]
    spec = attacker.key_spec(user={"name": victim.user, "create": False})
    body = attacker.grant_body(
        bedrockShortTermKey=None,
        bedrockLongTermKey=spec,
        sourceRef={"name": SOURCE, "namespace": by},
    )
    body["metadata"]["finalizers"] = ["keywright.dev/revoke"]
    made = attacker.world.api.create(body)
    _secret_that_names(attacker, theirs, uid=made["metadata"]["uid"])
    return theirs


def _secret_that_names(attacker: LongTermTenant, key_id: str, *, uid: str) -> None:
    mark = f"{attacker.namespace}/{GRANT} {uid}"
    body: Document = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}}
    body["metadata"] = {
        "name": GRANT,
        "namespace": attacker.namespace,
        "labels": {"keywright.dev/managed": "true"},
        "annotations": {
            "keywright.dev/owner": mark,
            "keywright.dev/key-id": key_id,
            "keywright.dev/replaces-key-id": key_id,
        },
    }
    attacker.world.api.create(body)


def _deleted(attacker: LongTermTenant) -> None:
    """Delete the grant, and return once it is gone: in bounded time."""
    attacker.world.api.delete(attacker.grant_path())
    eventually(lambda: not attacker.world.api.exists(attacker.grant_path()), seconds=_BOUNDED)


def _events(attacker: LongTermTenant) -> str:
    path = f"/apis/events.k8s.io/v1/namespaces/{attacker.namespace}/events"
    found: list[Any] = attacker.world.api.get(path)["items"]
    return " ".join(str(event.get("note", "")) for event in found)


def test_a_namespace_that_was_never_allowed_removes_no_key(
    attacker: LongTermTenant, victim: LongTermTenant
) -> None:
    """A preset finalizer, the victim's user and a Secret that names its key; then the deletion."""
    theirs = _aim(attacker, victim, by=victim.namespace)
    attacker.reported("Ready", status="False", reason="SourceNotAllowed")
    _deleted(attacker)
    eventually(lambda: f"not removed: {theirs}" in _events(attacker))
    assert theirs in victim.listed()


def test_a_namespace_that_is_allowed_removes_no_key_of_another(
    attacker: LongTermTenant, victim: LongTermTenant
) -> None:
    """The same with a source that allows it: an id that a tenant writes proves nothing."""
    allow = {"spec": {"allowedNamespaces": {"names": [attacker.namespace]}}}
    victim.patch(victim.source_path(), allow)
    theirs = _aim(attacker, victim, by=victim.namespace)
    _deleted(attacker)
    eventually(lambda: theirs in _events(attacker))
    assert theirs in victim.listed()


def test_a_forged_status_removes_no_key_of_another(
    attacker: LongTermTenant, victim: LongTermTenant
) -> None:
    """The victim's key as one that retires, and an intent of the time of its creation."""
    allow = {"spec": {"allowedNamespaces": {"names": [attacker.namespace]}}}
    victim.patch(victim.source_path(), allow)
    attacker.apply_grant(
        bedrockShortTermKey=None,
        bedrockLongTermKey=attacker.key_spec(user={"name": victim.user, "create": False}),
        sourceRef={"name": SOURCE, "namespace": victim.namespace},
    )
    ours = attacker.ready()["keyId"]
    theirs = victim.status()
    retiring = {"keyId": theirs["keyId"], "retireAt": theirs["issuedAt"]}
    forged = {
        "retiring": [retiring | {"keyProof": theirs["keyProof"]}],
        "pending": {"startedAt": theirs["issuedAt"], "baseline": [ours]},
    }
    attacker.patch(f"{attacker.grant_path()}/status", {"status": forged})
    eventually(lambda: not attacker.status().get("retiring"), seconds=_BOUNDED)
    eventually(lambda: "pending" not in attacker.status(), seconds=_BOUNDED)
    assert theirs["keyId"] in victim.listed()
    _deleted(attacker)
    eventually(lambda: list(victim.listed()) == [theirs["keyId"]])
