"""The files of a release install the same objects, and nothing is released by mistake."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cluster.commands import kustomized
from tests.cluster.guides import commands
from tests.cluster.helm import Helm
from tests.unit.api.samples import ROOT
from tools.lint_workflows import WORKFLOWS, contradictions, pins
from tools.release import artifacts, checks

_IMAGE = "registry.example/team/keywright:1.2.3"
_CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-01-02

### Added

- A `thing` ([guide](docs/thing.md)).

### Fixed

- Another one.

## [1.2.2] - 2026-01-01

### Fixed

- An old one.
"""


def _version() -> str:
    return dict(checks.versions(ROOT))["pyproject.toml"]


def test_install_yaml_is_what_kustomize_and_the_crds_install(tmp_path: Path) -> None:
    """One file, the CRDs first, with the image of the release."""
    artifacts.manifests(ROOT, image=_IMAGE, into=tmp_path)
    found = [each for each in yaml.safe_load_all((tmp_path / "install.yaml").read_text()) if each]
    crds = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert found[: len(crds)] == crds
    assert list(yaml.safe_load_all((tmp_path / "crds.yaml").read_text())) == crds
    installed = kustomized(ROOT / "manifests")
    for each in installed:
        if each["kind"] == "Deployment":
            each["spec"]["template"]["spec"]["containers"][0]["image"] = _IMAGE
    assert found[len(crds) :] == installed


def test_the_packed_chart_installs_the_same_as_its_source(helm: Helm, tmp_path: Path) -> None:
    """Its links are resolved, and only the repository of the image differs."""
    image = f"registry.example/team/keywright:{_version()}"
    artifacts.chart(ROOT, version=_version(), image=image, into=tmp_path)
    (packed,) = tmp_path.glob("*.tgz")
    options = ("--set", "monitoring.enabled=true", "--set", "policies.enabled=true")
    repository = ("--set", "image.repository=registry.example/team/keywright")
    assert helm.render(*options, chart=packed) == helm.render(*options, *repository)
    shown = helm.run("show", "chart", packed)
    described = yaml.safe_load(shown.stdout)
    (listed,) = yaml.safe_load(described["annotations"]["artifacthub.io/images"])
    assert listed["image"] == image
    crds = yaml.safe_load(described["annotations"]["artifacthub.io/crds"])
    assert {each["kind"] for each in crds} == {"ApiKeyGrant", "CredentialSource"}


def test_the_changes_of_a_version_are_those_of_its_section(tmp_path: Path) -> None:
    """Without links and markup, which Artifact Hub does not show."""
    (tmp_path / "CHANGELOG.md").write_text(_CHANGELOG)
    assert checks.changes(tmp_path, version="1.2.3") == [
        ("Added", "A thing."),
        ("Fixed", "Another one."),
    ]
    assert checks.notes(tmp_path, version="1.2.3").startswith("### Added\n")
    assert "old" not in checks.notes(tmp_path, version="1.2.3")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository that is ready for the release of 1.2.3."""
    root = tmp_path / "checkout"
    (root / "manifests").mkdir(parents=True)
    (root / "pyproject.toml").write_text('version = "1.2.3"\n')
    (root / "CHANGELOG.md").write_text(_CHANGELOG)
    for name in ("chart", "operator"):
        shutil.copytree(ROOT / "manifests" / name, root / "manifests" / name, symlinks=True)
    for file in ("chart/Chart.yaml", "operator/deployment.yaml"):
        path = root / "manifests" / file
        path.write_text(path.read_text().replace(_version(), "1.2.3"))
    _git(root, "init", "--quiet")
    _commit(root)
    return root


def _git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def _commit(root: Path) -> None:
    _git(root, "add", "--all")
    _git(root, "commit", "--message=change", "--allow-empty")


def test_a_release_that_is_ready_has_no_problem(checkout: Path) -> None:
    """Its tag may exist at this commit: the workflow runs for a pushed tag."""
    assert list(checks.problems(checkout, version="1.2.3")) == []
    _git(checkout, "tag", "v1.2.3")
    assert list(checks.problems(checkout, version="1.2.3")) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("pyproject.toml", "1.2.3", "1.2.4", "pyproject.toml has version 1.2.4"),
        ("manifests/chart/Chart.yaml", "appVersion: 1.2.3", "appVersion: 1.2.4", "(appVersion)"),
        ("manifests/operator/deployment.yaml", ":1.2.3", ":1.2.4", "deployment.yaml has version"),
        ("CHANGELOG.md", "## [1.2.3] - 2026-01-02", "## [1.2.3]", "has no date"),
        ("CHANGELOG.md", "## [1.2.3]", "## [9.9.9]", "has no section [1.2.3]"),
    ],
)
def test_each_problem_is_named(checkout: Path, file: str, old: str, new: str, words: str) -> None:
    """Before anything is built."""
    path = checkout / file
    path.write_text(path.read_text().replace(old, new, 1))
    _commit(checkout)
    (problem,) = checks.problems(checkout, version="1.2.3")
    assert words in problem


def test_a_dirty_tree_an_old_tag_and_a_wrong_version_are_problems(checkout: Path) -> None:
    """The files of a release are those of its commit."""
    _git(checkout, "tag", "v1.2.3")
    _commit(checkout)
    (problem,) = checks.problems(checkout, version="1.2.3")
    assert "v1.2.3 exists" in problem
    _git(checkout, "tag", "--delete", "v1.2.3")
    (checkout / "new").touch()
    (problem,) = checks.problems(checkout, version="1.2.3")
    assert "not committed" in problem
    (problem,) = checks.problems(checkout, version="v1.2.3")
    assert "expected a version such as" in problem


_IMAGES = re.compile(r"\bimage: \"?([^\s\"#]+)")


def test_every_image_of_ours_has_a_registry_and_the_version() -> None:
    """In manifests, examples and the YAML of the docs; no image has the tag `latest`, or none."""
    listed = subprocess.run(
        ["git", "ls-files", "manifests", "examples", "docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    ours = 0
    for name in listed:
        if Path(name).suffix not in (".yaml", ".md") or "chart/templates" in name:
            continue
        for image in _IMAGES.findall((ROOT / name).read_text()):
            repository, _, tag = image.rpartition(":")
            assert tag != "latest", name
            if repository.rpartition("/")[2] == "keywright" and "/" in repository:
                assert tag == _version(), (name, image)
                ours += 1
            assert repository != "keywright", name
    assert ours > 10


def test_checksums_are_those_of_every_file(tmp_path: Path) -> None:
    """As sha256sum reads them; a second run does not list the file itself."""
    (tmp_path / "a").write_bytes(b"x")
    artifacts.checksums(tmp_path)
    sums = artifacts.checksums(tmp_path).read_text()
    assert sums == f"{hashlib.sha256(b'x').hexdigest()}  a\n"


def test_the_guide_finds_a_changed_file(tmp_path: Path) -> None:
    """Its command ignores files that were not downloaded."""
    (command, _bill) = commands("docs/verify.md")
    for name in ("install.yaml", "not-downloaded"):
        (tmp_path / name).write_text(name)
    artifacts.checksums(tmp_path)
    (tmp_path / "not-downloaded").unlink()

    def verify() -> int:
        return subprocess.run(["sh", "-euc", command], cwd=tmp_path, check=False).returncode

    assert verify() == 0
    (tmp_path / "install.yaml").write_text("changed")
    assert verify() == 1


def test_workflows_pin_actions_and_have_least_permissions() -> None:
    """By the hash of a commit with its version beside it; each job lists what it may do."""
    assert len(WORKFLOWS) >= 4
    texts = [path.read_text() for path in WORKFLOWS]
    for text in texts:
        assert text.count("uses: ") == len(pins(text))
        for name, commit, version in pins(text):
            assert len(commit) == 40, name
            assert version, name
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert job["permissions"]
            assert job["timeout-minutes"]
    assert contradictions(texts) == []
    assert contradictions([f"uses: a/b@{'1' * 40} # v1", f"uses: a/b@{'2' * 40} # v2"])
