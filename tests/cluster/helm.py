"""Helm, as its users call it, and what the chart is rendered to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from testbed.documents import documents
from testbed.go_tools import TOOLS, NoGoError, go_tool
from testbed.operators import NAMESPACE
from testbed.world import MANIFESTS, ROOT
from tests.cluster.tenants import Document
from tests.cluster.tier import without_tool
from tools.release import artifacts

CHART = MANIFESTS / "chart"
RELEASE = "keywright"
NEXT_VERSION = "0.3.0"
_GRANTS = "apikeygrants.keywright.dev.yaml"


@dataclass(frozen=True, slots=True)
class Helm:
    """The program; `home` is where it keeps what it likes to keep."""

    program: Path
    home: Path

    def run(
        self, *arguments: str | Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What it did, whether or not it succeeded."""
        return subprocess.run(
            [self.program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                **(environment or {}),
            },
        )

    def on(self, kubeconfig: Path, *arguments: str | Path) -> str:
        """What a command on a cluster prints; in the operator's namespace."""
        done = self.run(
            *arguments, "--namespace", NAMESPACE, environment={"KUBECONFIG": str(kubeconfig)}
        )
        assert done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout

    def render(self, *options: str | Path, chart: Path = CHART) -> list[Document]:
        """The objects that the chart installs with these options."""
        return self._rendered(chart, "--skip-tests", *options)

    def render_test(self, *options: str | Path) -> list[Document]:
        """The objects that `helm test` creates."""
        shown = self._rendered(CHART, *options)
        return [each for each in shown if "helm.sh/hook" in each["metadata"].get("annotations", {})]

    def _rendered(self, chart: Path, *options: str | Path) -> list[Document]:
        done = self.run("template", RELEASE, chart, "--namespace", NAMESPACE, *options)
        assert done.returncode == 0, done.stderr
        return [document for document in documents(done.stdout) if document]

    def refused(self, *options: str, chart: Path = CHART) -> str:
        """What it says against values that it does not take."""
        done = self.run("template", RELEASE, chart, "--namespace", NAMESPACE, *options)
        assert done.returncode != 0
        return done.stderr


@pytest.fixture(scope="session")
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Built once from the module of the testbed; skips loudly where there is no Go for it."""
    try:
        program = go_tool("helm", module=TOOLS / "helm")
    except NoGoError as error:
        without_tool(request.config, "helm", str(error))
    return Helm(program=program, home=tmp_path_factory.mktemp("helm"))


def next_version(directory: Path) -> Path:
    """The chart as the next version may be: another image, and a field more in a CRD."""
    chart = directory / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / "Chart.yaml").read_text()
    version = yaml.safe_load(text)["version"]
    (chart / "Chart.yaml").write_text(text.replace(version, NEXT_VERSION))
    _add_field(chart / "files" / "crds" / _GRANTS)
    return chart


def next_release(directory: Path, *, image: str) -> Path:
    """The folder with `install.yaml` and the packed chart of that version."""
    root = directory / "next"
    shutil.copytree(MANIFESTS, root / "manifests")
    shutil.copytree(ROOT / "crds", root / "crds")
    shutil.rmtree(root / "manifests" / "chart")
    next_version(root / "manifests")
    _add_field(root / "crds" / _GRANTS)
    (root / "CHANGELOG.md").write_text(f"## [{NEXT_VERSION}] - 2027-01-01\n")
    files = directory / "release"
    files.mkdir()
    artifacts.manifests(root, image=image, into=files)
    artifacts.chart(root, version=NEXT_VERSION, image=image, into=files)
    return files


def _add_field(file: Path) -> None:
    crd = yaml.safe_load(file.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["comment"] = {"type": "string", "description": "Of the next version."}
    file.write_text(yaml.safe_dump(crd))
