"""Deleting the objects of an example deletes all that was made for them in the cloud."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from testbed.operators import NAMESPACE
from testbed.world import EXAMPLES, World
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.guides import run
from tests.cluster.long_term import admin_of
from tests.cluster.service_keys import GROUP, add_log_group
from tests.cluster.worlds import MakeWorld

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

_FOLDER = "examples/telemetry-keys"
_PLACE = "observability"
_USER = "observability-telemetry"
_GRANTS = ("metrics", "logs", "traces")
_PATH = f"/apis/keywright.dev/v1alpha1/namespaces/{_PLACE}/apikeygrants"
_LIST = f"/api/v1/namespaces/{NAMESPACE}/configmaps/keywright-orphans"
_IDENTITY = ("serviceaccount", "token-access", "credentialsource")
_SECONDS = 120


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> Iterator[World]:
    """AWS as the guide prepares it, and an operator."""
    with make_world() as made:
        folder = EXAMPLES / "telemetry-keys"
        policies = {
            name: json.loads((folder / f"{name}-policy.json").read_text())
            for name in ("permissions", "boundary")
        }
        made.aws.create_managed_policy(name="keywright-telemetry", document=policies["boundary"])
        made.aws.create_role(
            name="telemetry-key-maker",
            trust_policy=made.trust_policy(namespace=_PLACE, service_account=_USER),
            policies={"permissions": policies["permissions"]},
        )
        add_log_group(made, GROUP, accepts=True)
        made.operator(arguments=DEBUG).start()
        yield made


@pytest.fixture(scope="module")
def iam(world: World) -> Any:
    """A client of IAM that may do everything."""
    return admin_of(world)


def _delete(*files: str) -> str:
    """One command that deletes the objects of these files in this order."""
    named = " ".join(f"-f {_FOLDER}/{file}.yaml" for file in files)
    return f"kubectl delete --wait=false {named}"


ORDERS = {
    "as the guide": f"kubectl delete -k {_FOLDER}/",
    "with the namespace": f"kubectl delete namespace {_PLACE}",
    "the owner of the user first": _delete("metrics", "logs", "traces"),
    "the owner of the user last": _delete("traces", "logs", "metrics"),
    "the source first": _delete("credentialsource", *_GRANTS),
    "the identity first": _delete(*_IDENTITY, "metrics", "traces", "logs"),
    "the identity last": _delete("logs", "metrics", "traces", *reversed(_IDENTITY)),
}


@pytest.mark.parametrize("command", ORDERS.values(), ids=ORDERS)
def test_nothing_is_left_behind(world: World, iam: Any, command: str) -> None:
    """Neither a key, also one in its overlap, nor the user with its policies, nor a report of one.

    Whatever goes first: each grant is revoked with the session that its source had.
    """
    _apply(world)
    _rotate(world, "metrics-key")
    assert len(_keys(iam)) == len(_GRANTS) + 1
    run(command, world)
    _gone(world)
    run(f"kubectl delete --ignore-not-found -k {_FOLDER}/", world)
    eventually(lambda: not world.api.exists(f"/api/v1/namespaces/{_PLACE}"), seconds=_SECONDS)
    assert _keys(iam) == []
    names = [user["UserName"] for user in iam.list_users()["Users"]]
    assert _USER not in names
    assert not world.api.exists(_LIST) or not world.api.get(_LIST).get("data")
    events = world.api.get("/apis/events.k8s.io/v1/events")["items"]
    assert {"UserInUse", "CredentialsOrphaned"}.isdisjoint(each["reason"] for each in events)


def _apply(world: World) -> None:
    run(f"kubectl apply -k {_FOLDER}/", world)
    for name in _GRANTS:
        eventually(_has_revision(world, f"{name}-key", 1), seconds=_SECONDS)


def _rotate(world: World, name: str) -> None:
    """Another key; the old one stays in its overlap of an hour."""
    now = datetime.now(UTC).isoformat()
    annotations = {"keywright.dev/renew-requested-at": now}
    world.api.merge(f"{_PATH}/{name}", {"metadata": {"annotations": annotations}})
    eventually(_has_revision(world, name, 2), seconds=_SECONDS)


def _has_revision(world: World, name: str, number: int) -> Callable[[], bool]:
    def found() -> bool:
        status = world.api.get(f"{_PATH}/{name}").get("status", {})
        return bool(status.get("revision") == number)

    return found


def _gone(world: World) -> None:
    for name in _GRANTS:
        path = f"{_PATH}/{name}-key"
        eventually(lambda path=path: not world.api.exists(path), seconds=_SECONDS)  # type: ignore[misc]


def _keys(iam: Any) -> list[str]:
    found = iam.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"]
    return [each["ServiceSpecificCredentialId"] for each in found if each["UserName"] == _USER]
