"""Releases of the chart on a real API server: installed, upgraded, moved, uninstalled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.operators import OperatorProcess
from testbed.world import CRDS, World
from tests.cluster.commands import kubectl
from tests.cluster.guides import commands, run, run_helm
from tests.cluster.helm import NEXT_VERSION, RELEASE, Helm, next_release, next_version
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import Document, Tenant
from tests.cluster.test_upgrade import mints
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.xdist_group("releases")

_GUIDE = "docs/install.md"
_DEPLOYMENT = "/apis/apps/v1/namespaces/keywright-system/deployments/keywright"
_BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/keywright"
_GRANTS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/apikeygrants.keywright.dev"
_KEPT = ("revision", "expiresAt", "issuedAt", "keyId")


def command(words: str) -> str:
    """The one command of the guide that has these words in it."""
    (found,) = [text for text in commands(_GUIDE) if words in text]
    return found


@pytest.fixture
def empty(make_world: MakeWorld) -> Iterator[World]:
    """A world in which nothing of ours is installed."""
    with make_world() as world:
        kubectl(world.cluster.kubeconfig, "delete", "-k", "manifests/", "--ignore-not-found")
        for path in CRDS:
            kubectl(world.cluster.kubeconfig, "delete", "-f", str(path))
        yield world


class Grants:
    """A short-lived key and one that lives in IAM, and what is known of them."""

    def __init__(self, brief: Tenant, lasting: LongTermTenant) -> None:
        self.brief, self.lasting = brief, lasting
        self._before = self._now()

    def _now(self) -> list[Document]:
        found: list[Document] = []
        for tenant in (self.brief, self.lasting):
            status = tenant.ready()
            found += [{name: status.get(name) for name in _KEPT}, tenant.data()]
        return [*found, self.lasting.listed()]

    def are_as_before(self) -> bool:
        """Ready, with the same keys in the same Secrets."""
        return self._now() == self._before


@pytest.fixture
def make_grants(empty: World) -> Iterator[Callable[[], Grants]]:
    """Makes them, once an operator is there."""
    made = tenants(empty, name="lasting")
    make_lasting = next(made)

    def make() -> Grants:
        brief = Tenant(empty, name="brief")
        brief.prepare()
        brief.become_ready()
        lasting = make_lasting()
        lasting.key_ready()
        return Grants(brief, lasting)

    yield make
    next(made, None)


def started(world: World, *, identity: str) -> OperatorProcess:
    """An operator with the rights that are installed now."""
    operator = world.operator(identity=identity, fork="keywright")
    operator.start()
    return operator


def test_an_upgrade_brings_crds_along_and_mints_nothing(
    empty: World, helm: Helm, make_grants: Callable[[], Grants], tmp_path: Path
) -> None:
    """By the guide's commands; uninstalled, CRDs and grants stay, and may be installed again."""
    run_helm(command("--create-namespace"), empty, program=helm.program)
    old = started(empty, identity="old")
    grants = make_grants()
    assert old.stop() == 0
    chart = next_version(tmp_path)
    upgrade = command("helm upgrade").replace("manifests/chart", str(chart))
    run_helm(upgrade, empty, program=helm.program)
    (container,) = empty.api.get(_DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.keywright.dev/keywright:{NEXT_VERSION}"
    new = started(empty, identity="new")
    grants.brief.edit_grant(comment="a field of the next version")
    assert grants.brief.grant()["spec"]["comment"]
    assert grants.are_as_before()
    assert mints(new) == 0
    helm.on(empty.cluster.kubeconfig, "uninstall", RELEASE)
    assert not empty.api.exists(_DEPLOYMENT)
    assert not empty.api.exists(_BINDING)
    assert grants.brief.grant()["spec"]["comment"]
    assert grants.lasting.has_secret()
    helm.on(empty.cluster.kubeconfig, "install", RELEASE, chart)
    assert empty.api.exists(_BINDING)
    assert grants.are_as_before()


@pytest.mark.parametrize("form", ["install.yaml", "packed chart"])
def test_the_files_of_a_release_upgrade_an_installation(
    empty: World, helm: Helm, make_grants: Callable[[], Grants], tmp_path: Path, form: str
) -> None:
    """The CRDs and the image are those of the release, and no key is issued."""
    packed = form == "packed chart"
    first = command("--create-namespace" if packed else "apply -f crds/ &&")
    run_helm(first, empty, program=helm.program)
    old = started(empty, identity="old")
    grants = make_grants()
    assert old.stop() == 0
    image = f"registry.example/team/keywright:{NEXT_VERSION}"
    files = next_release(tmp_path, image=image)
    if packed:
        chart = files / f"keywright-{NEXT_VERSION}.tgz"
        upgrade = command("helm upgrade").replace("manifests/chart", str(chart))
        run_helm(upgrade, empty, program=helm.program)
    else:
        run(command("install.yaml"), empty, RELEASE=str(files))
    (container,) = empty.api.get(_DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    assert container["image"] == image
    new = started(empty, identity="new")
    grants.brief.edit_grant(comment="a field of the next version")
    assert grants.brief.grant()["spec"]["comment"]
    assert grants.are_as_before()
    assert mints(new) == 0


def test_an_installation_moves_to_the_chart_and_back(
    empty: World, helm: Helm, make_grants: Callable[[], Grants]
) -> None:
    """With one operator at work all the time: no key is minted, and nothing is made twice."""
    run(command("apply -f crds/ &&"), empty)
    operator = started(empty, identity="keywright-0")
    grants = make_grants()
    issued_key = mints(operator)
    first = empty.api.get(_DEPLOYMENT)["metadata"]["uid"]
    run_helm(command("--take-ownership"), empty, program=helm.program)
    labels = empty.api.get(_DEPLOYMENT)["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "Helm"
    assert grants.are_as_before()
    run(command("owner=helm"), empty)
    assert helm.on(empty.cluster.kubeconfig, "list", "--short").strip() == ""
    assert empty.api.get(_DEPLOYMENT)["metadata"]["uid"] == first
    assert grants.are_as_before()
    assert mints(operator) == issued_key
    assert operator.stop() == 0


def test_the_overlays_of_the_guide_are_accepted(empty: World) -> None:
    """High availability over the default, and monitoring where its kinds are there."""
    run(command("apply -f crds/ &&"), empty)
    run(command("high-availability"), empty)
    deployed = empty.api.get(_DEPLOYMENT)["spec"]
    assert deployed["replicas"] == 3
    spread = deployed["template"]["spec"]["topologySpreadConstraints"]
    assert [each["whenUnsatisfiable"] for each in spread] == ["DoNotSchedule", "ScheduleAnyway"]
    for kind in ("ServiceMonitor", "PrometheusRule"):
        empty.api.apply(_any_kind("monitoring.coreos.com", kind))
    run(command("manifests/monitoring/"), empty)
    run(command("keywright-prometheus"), empty)
    run(command("monitoring-without-token-files"), empty)
    monitor = empty.api.get(
        "/apis/monitoring.coreos.com/v1/namespaces/keywright-system/servicemonitors/keywright"
    )
    assert monitor["spec"]["endpoints"][0]["authorization"]["credentials"]["key"] == "token"
    assert empty.api.exists("/api/v1/namespaces/keywright-system/configmaps/keywright-dashboard")


def _any_kind(group: str, kind: str) -> Document:
    """A CRD that takes everything: what the Prometheus operator would make of it is its own."""
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }
