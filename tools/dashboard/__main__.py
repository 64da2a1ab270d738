"""`make dashboard`: write the ConfigMap of the dashboard, and draw it from a real run.

An API server, an emulated AWS and two operators run for three minutes; a real Prometheus (built
once, three minutes) scrapes them, and answers the queries of the panels as it answers Grafana.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from pathlib import Path

from testbed.clusters.controlplane import ControlPlaneCluster
from testbed.world import CRDS, ROOT, World
from tests.cluster.tenants import Tenant
from tools.dashboard.panels import FILE, config_map
from tools.dashboard.picture import drawn
from tools.dashboard.prometheus import Prometheus

_PICTURE = ROOT / "docs" / "dashboard.svg"
_SECONDS = 180
_SESSION_SECONDS = 60
_GRANTS = {"chat": 6, "search": 5, "translate": 3}


def main() -> int:
    """Write both, or with --check fail if the ConfigMap is out of date."""
    parser = argparse.ArgumentParser(prog="tools.dashboard", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--no-picture", action="store_true", help="write the ConfigMap only")
    options = parser.parse_args()
    if options.check:
        return _check(FILE)
    FILE.write_text(config_map(), encoding="utf-8")
    if not options.no_picture:
        _PICTURE.write_text(_run(), encoding="utf-8")
        print(_PICTURE)
    return 0


def _check(file: Path) -> int:
    if file.read_text(encoding="utf-8") == config_map():
        return 0
    print(f"{file}: out of date: run make dashboard")
    return 1


def _run() -> str:
    """The picture of a run: renewals each half minute, a throttled STS, a role that refuses."""
    with World(lambda directory: ControlPlaneCluster(directory, crds=CRDS)) as world:
        world.aws.limit_sessions(seconds=_SESSION_SECONDS)
        environment = _as_installed(world)
        operators = [
            world.operator(identity=f"keywright-{number}", environment=environment)
            for number in range(2)
        ]
        for operator in operators:
            operator.start()
        ports = [operator.port for operator in operators]
        with Prometheus(world.directory / "prometheus", ports=ports) as prometheus:
            began = time.time()
            tenants = _tenants(world)
            time.sleep(_SECONDS / 3)
            world.aws.refuse_share(
                service="sts",
                share=0.3,
                seed=1,
                code="Throttling",
                message="Rate exceeded",
                status=400,
            )
            partner = f"{tenants[1].role_arn}-partner"
            tenants[1].apply_source(name="partner", roleArn=partner)
            tenants[1].apply_grant(name="partner-key", source="partner")
            time.sleep(_SECONDS / 3)
            world.aws.clear_faults()
            time.sleep(max(0.0, began + _SECONDS - time.time()))
            return drawn(prometheus, start=began, end=time.time())


def _as_installed(world: World) -> dict[str, str]:
    """The environment in which an operator of this checkout knows its version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    metadata = world.directory / "installed" / f"keywright-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: keywright\nVersion: {version}\n")
    before = world.client_environment().get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (before, str(metadata.parents[1]))))}


def _tenants(world: World) -> list[Tenant]:
    """Namespaces with grants that share a source each."""
    made = []
    for name, grants in _GRANTS.items():
        tenant = Tenant(world, name=name)
        tenant.namespace = tenant.role = name
        tenant.prepare()
        tenant.apply_source()
        for number in range(grants):
            tenant.apply_grant(name=f"model-{number + 1}")
            time.sleep(0.5)
        made.append(tenant)
    return made


if __name__ == "__main__":
    sys.exit(main())
