"""The installation with its pods at work: moved to the chart and back, upgraded, uninstalled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from keywright.api.names import SECRET_SELECTOR
from testbed.operators import NAMESPACE
from testbed.readers.ledger import expired, needless
from testbed.world import CRDS
from tests.cluster.eventually import eventually
from tests.cluster.guides import commands, run, run_helm
from tests.cluster.helm import RELEASE, Helm, helm, next_version
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.tenants import Document
from tests.kind.installation import DEPLOYMENT, IMAGE
from tests.kind.never_restarted import NeverRestarted
from tests.kind.stage import Stage

__all__ = ["helm"]

pytestmark = pytest.mark.kind
_NEXT = "keywright:kind-next"
_INSTALL, _UNINSTALL = "docs/install.md", "docs/uninstall.md"
_KEPT = ("revision", "expiresAt", "issuedAt", "keyId")
_LEFT = (
    f"/api/v1/namespaces/{NAMESPACE}",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/keywright",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/keywright-rollouts",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/keywright",
    *(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{path.stem}" for path in CRDS),
)


@pytest.fixture
def lasting(stage: Stage) -> Iterator[LongTermTenant]:
    """A managed key in IAM, which no test renews: only a bug would change it."""
    made = tenants(stage.world, name="lasting")
    tenant = next(made)()
    tenant.key_ready()
    yield tenant
    # Before its namespace, which gives no tokens any more once it ends: an operator that has just
    # started may have no session yet, and holds the grant for minutes.
    stage.world.api.delete(tenant.grant_path())
    eventually(lambda: not stage.world.api.exists(tenant.grant_path()), seconds=60)
    next(made, None)


def _command(words: str) -> str:
    """The one command of the guide that has these words in it."""
    (found,) = [text for text in commands(_INSTALL) if words in text]
    return found


def _values(stage: Stage, file: Path, *, image: str) -> Path:
    """What a user gives to the chart whose clouds are behind a proxy with a CA of its own."""
    name, tag = image.split(":")
    surroundings = stage.surroundings
    values = {
        "image": {"repository": name, "tag": tag},
        "extraEnv": [
            {"name": name, "value": value} for name, value in surroundings.variables().items()
        ],
        "extraVolumes": surroundings.volumes(),
        "extraVolumeMounts": surroundings.mounts(),
        "networkPolicy": {"egressPorts": [443, 6443, surroundings.proxy_port]},
    }
    file.write_text(yaml.safe_dump(values))
    return file


def _image(stage: Stage) -> str:
    (container,) = stage.world.api.get(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def _state(tenant: LongTermTenant) -> list[Document]:
    status = tenant.ready()
    return [{name: status.get(name) for name in _KEPT}, tenant.data(), dict(tenant.listed())]


@pytest.mark.timeout(420)
def test_an_installation_moves_and_is_upgraded_with_its_pods_at_work(
    stage: Stage,
    never_restarted: dict[str, NeverRestarted],
    lasting: LongTermTenant,
    helm: Helm,
    tmp_path: Path,
) -> None:
    """From kustomize to the chart, to its next version and back, by the guide's commands.

    Each time both replicas come up. Keys of minutes are renewed in time and not once too often
    meanwhile, and a managed key in IAM is not changed.
    """
    stage.installation.wait_until_ready()
    before = _state(lasting)
    values = f" --values {_values(stage, tmp_path / 'values.yaml', image=IMAGE)}"
    run_helm(_command("--take-ownership").rstrip() + values, stage.world, program=helm.program)
    stage.installation.wait_until_ready()
    assert _state(lasting) == before

    stage.cluster.engine.docker("tag", IMAGE, _NEXT)
    stage.cluster.load_images(_NEXT)
    values = f" --values {_values(stage, tmp_path / 'next.yaml', image=_NEXT)}"
    upgrade = _command("helm upgrade").replace("manifests/chart", str(next_version(tmp_path)))
    # As the guide says of an installation that was kubectl's.
    run_helm(f"{upgrade.rstrip()} --force-conflicts{values}", stage.world, program=helm.program)
    stage.installation.wait_until_ready()
    assert _image(stage) == _NEXT
    tested = helm.on(stage.cluster.kubeconfig, "test", RELEASE, "--logs", "--timeout=3m")
    assert "a replica is the leader" in tested
    lasting.edit_grant(comment="a field of the next version")
    assert _state(lasting) == before

    back = _command("owner=helm").replace("manifests/", str(stage.installation.overlay))
    run(back, stage.world)
    stage.installation.wait_until_ready()
    assert helm.on(stage.cluster.kubeconfig, "list", "--short").strip() == ""
    assert _image(stage) == IMAGE
    assert _state(lasting) == before

    for program, pod in never_restarted.items():
        entries = stage.ledger.entries()[pod.tenant.namespace, "chat-key"]
        assert expired(entries, until=time.time()) == [], program
        assert needless(entries) == [], program


@pytest.mark.destructive
@pytest.mark.timeout(300)
def test_an_uninstallation_leaves_nothing(stage: Stage, lasting: LongTermTenant) -> None:
    """By the guide: grants, operator, CRDs. Each command returns, and all of it is gone.

    Of the operator's pods, the roles, the Secrets and the key in IAM nothing is left.
    """
    delete, _events, operator, crds, _way_out = commands(_UNINSTALL)
    assert lasting.live_keys()
    run(delete, stage.world)
    assert lasting.live_keys() == set()
    query = {"labelSelector": SECRET_SELECTOR}
    eventually(lambda: not stage.world.api.get("/api/v1/secrets", query=query)["items"])
    run(operator.replace("manifests/", str(stage.installation.overlay)), stage.world)
    run(crds, stage.world)
    eventually(lambda: [path for path in _LEFT if stage.world.api.exists(path)] == [])
