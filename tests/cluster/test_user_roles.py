"""The roles for people: part of the built-in ones, unless the installation says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.world import MANIFESTS, World
from tests.cluster.commands import kustomized
from tests.cluster.eventually import eventually
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.xdist_group("user-roles")

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_NAMESPACE = "team"
_PEOPLE = ("admin", "edit", "view")


def _may(world: World, person: str, verb: str, resource: str) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": person,
            "resourceAttributes": {
                "namespace": _NAMESPACE,
                "verb": verb,
                "group": "keywright.dev",
                "resource": resource,
            },
        },
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answered = world.api.request("POST", path, body=review)
    allowed: bool = answered["status"]["allowed"]
    return allowed


def _bind_people(world: World) -> None:
    """One person for each built-in role, named after it."""
    world.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}})
    for person in _PEOPLE:
        world.api.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": person, "namespace": _NAMESPACE},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": person,
                },
                "subjects": [
                    {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}
                ],
            }
        )


def _without_aggregation() -> list[dict[str, Any]]:
    """The roles of the installation without aggregation."""
    return [
        role
        for role in kustomized(MANIFESTS / "without-aggregated-roles")
        if role["kind"] == "ClusterRole"
        and role["metadata"]["name"] in ("keywright-view", "keywright-edit")
    ]


def test_the_built_in_roles_have_them_until_it_is_switched_off(
    make_world: MakeWorld,
) -> None:
    """As `kubectl auth can-i` answers; no person may write a status."""
    with make_world() as world:
        world.api.apply_files([MANIFESTS / "operator" / "user-roles.yaml"])
        _bind_people(world)
        eventually(lambda: _may(world, "edit", "create", "apikeygrants"))
        eventually(lambda: _may(world, "view", "list", "credentialsources"))
        eventually(lambda: _may(world, "admin", "delete", "credentialsources"))
        assert not _may(world, "view", "create", "apikeygrants")
        for person in _PEOPLE:
            assert not _may(world, person, "patch", "apikeygrants/status"), person
        # Applied by the owner of the labels, as a second `kubectl apply -k` does.
        for role in _without_aggregation():
            world.api.apply(role)
        eventually(lambda: not _may(world, "edit", "create", "apikeygrants"))
        eventually(lambda: not _may(world, "view", "list", "credentialsources"))
        eventually(lambda: not _may(world, "admin", "delete", "credentialsources"))
