"""The operator for some namespaces, with the rights of that installation and no others."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache

import pytest

from testbed.clusters.api import ApiError
from testbed.operators import OperatorProcess
from testbed.world import MANIFESTS, World
from tests.cluster.audit import AuditLog
from tests.cluster.commands import kustomized
from tests.cluster.conftest import audit_log
from tests.cluster.tenants import SOURCE, Document, Tenant, condition
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.xdist_group("listed-namespaces")

LISTED = ("team-a", "team-b")
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


@cache
def _rendered() -> list[Document]:
    """What `kubectl apply -k manifests/listed-namespaces/` would apply."""
    return kustomized(MANIFESTS / "listed-namespaces")


def _deployment() -> Document:
    (found,) = (each for each in _rendered() if each["kind"] == "Deployment")
    return deepcopy(found)


class Team(Tenant):
    """A namespace by that name."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name=name)
        self.namespace = self.role = name


@pytest.fixture(scope="module")
def listed(make_world: MakeWorld) -> Iterator[World]:
    """A world whose operator has the rights of the overlay instead of the cluster's."""
    with make_world() as world:
        world.api.delete(f"{_RBAC}/clusterrolebindings/keywright")
        world.api.delete(f"{_RBAC}/clusterroles/keywright")
        for name in (*LISTED, "outside"):
            Team(world, name).prepare()
        for document in _rendered():
            if document["kind"] not in ("Deployment", "Service", "PodDisruptionBudget"):
                world.api.apply(document)
        yield world


@pytest.fixture
def requests(listed: World) -> AuditLog:
    """What its API server was asked."""
    return audit_log(listed)


@pytest.fixture
def operator(listed: World) -> OperatorProcess:
    """Started as the overlay starts it."""
    (container,) = _deployment()["spec"]["template"]["spec"]["containers"]
    made = listed.operator(arguments=container["args"][1:], fork="keywright")
    made.start()
    return made


def test_it_serves_the_listed_namespaces_and_asks_for_nothing_else(
    listed: World, operator: OperatorProcess, requests: AuditLog
) -> None:
    """Sources, grants, a source by label from one to the other, renewals: without one refusal.

    A namespace that is not listed is never asked about, and its grants stay as they are; of
    kube-system the operator reads the uid alone.
    """
    first, second, outside = (Team(listed, name) for name in (*LISTED, "outside"))
    for team in (first, outside):
        team.apply_source()
        team.apply_grant()
    first.ready()
    allowed = {"selector": {"matchLabels": {"team": "x"}}}
    first.patch(first.source_path(), {"spec": {"allowedNamespaces": allowed}})
    second.apply_grant(sourceRef={"name": SOURCE, "namespace": "team-a"})
    second.reported("Stalled", reason="SourceNotAllowed")
    second.patch("/api/v1/namespaces/team-b", {"metadata": {"labels": {"team": "x"}}})
    second.ready(seconds=5)
    first.world.api.delete(first.secret_path())
    first.revision(2)
    second.apply_grant(name="of-outside", sourceRef={"name": SOURCE, "namespace": "outside"})
    message = condition(
        second.reported("Stalled", reason="SourceNotAllowed", name="of-outside"), "Stalled"
    )["message"]
    assert "outside" in message
    assert outside.status() == {"observedGeneration": -1}
    # The audit log contains a watch once it has ended.
    assert '"rights: all that are needed"' in operator.log.read_text()
    assert operator.stop() == 0
    requested = requests.requests()
    assert {"watch secrets", "watch namespaces"} <= {request.what for request in requested}
    assert [request for request in requested if request.code in (401, 403)] == []
    here = {*LISTED, "keywright-system", ""}
    elsewhere = {(each.what, each.namespace) for each in requested if each.namespace not in here}
    # The id of the cluster, and nothing that is in that namespace.
    assert elsewhere == {("get namespaces", "kube-system")}
    # What there is to ask for is asked for without a resource; and its own rights.
    questions = {("get none", ""), ("create selfsubjectaccessreviews", "")}
    of_cluster = {(r.what, r.name) for r in requested if not r.namespace} - questions
    assert of_cluster == {
        (f"{verb} namespaces", name) for verb in ("list", "watch") for name in LISTED
    }


def test_its_pods_are_let_in_where_pod_security_is_restricted(listed: World) -> None:
    """By the API server's own admission, which refuses one that may become root."""
    template = _deployment()["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"name": "keywright-0", "namespace": "keywright-system"}
    pods = "/api/v1/namespaces/keywright-system/pods?dryRun=All"
    listed.api.request("POST", pods, body=pod)
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ApiError, match='violates PodSecurity "restricted'):
        listed.api.request("POST", pods, body=pod)
