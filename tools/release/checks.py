"""What must hold before a release: a clean tree, one version, and a section of the changelog."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

_VERSION: Final = re.compile(r"\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?")
_SECTION: Final = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
_SUBSECTION: Final = re.compile(r"^### (\w+)$", re.MULTILINE)
_ENTRY: Final = re.compile(r"^- (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r" ?\(\[[^\]]*\]\([^)]*\)\)")


def problems(root: Path, *, version: str) -> Iterator[str]:
    """Yield one sentence for each reason not to release this version."""
    if not _VERSION.fullmatch(version):
        yield f"VERSION={version}: expected a version such as 0.2.0 or 0.2.0-rc.1"
        return
    for name, found in versions(root):
        if found != version:
            yield f"{name} has version {found}, not {version}"
    if version not in dict(_SECTION.findall((root / "CHANGELOG.md").read_text())):
        yield f"CHANGELOG.md has no section [{version}]: rename [Unreleased], with the date"
    elif not changes(root, version=version):
        yield f"CHANGELOG.md: the section [{version}] is empty"
    elif not re.search(rf"^## \[{re.escape(version)}\] - \d", _changelog(root), re.MULTILINE):
        yield f"CHANGELOG.md: the section [{version}] has no date"
    if _git(root, "status", "--porcelain"):
        yield "the work tree has changes that are not committed"
    if _git(root, "tag", "--list", f"v{version}", "--no-contains", "HEAD"):
        yield f"the tag v{version} exists, and is older than this commit"


def versions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each place that names the version of the project, and the version there."""
    project = re.search(r'^version = "(.+)"$', (root / "pyproject.toml").read_text(), re.MULTILINE)
    yield "pyproject.toml", project[1] if project else "none"
    chart = yaml.safe_load((root / "manifests" / "chart" / "Chart.yaml").read_text())
    yield "Chart.yaml (version)", chart["version"]
    yield "Chart.yaml (appVersion)", chart["appVersion"]
    deployment = root / "manifests" / "operator" / "deployment.yaml"
    (container,) = yaml.safe_load(deployment.read_text())["spec"]["template"]["spec"]["containers"]
    yield "manifests/operator/deployment.yaml", container["image"].rpartition(":")[2]


def changes(root: Path, *, version: str) -> list[tuple[str, str]]:
    """The entries of the changelog for a version: the kind, such as Added, and the text."""
    sections = _SECTION.split(_changelog(root))
    # The text before the first section, then name, date and text of each.
    texts = dict(zip(sections[1::3], sections[3::3], strict=True))
    parts = _SUBSECTION.split(texts.get(version, ""))
    return [
        (kind, _LINK.sub("", entry).replace("`", ""))
        for kind, text in zip(parts[1::2], parts[2::2], strict=True)
        for entry in _ENTRY.findall(text)
    ]


def notes(root: Path, *, version: str) -> str:
    """The section of the changelog for a version, as Markdown."""
    sections = _SECTION.split(_changelog(root))
    texts = dict(zip(sections[1::3], sections[3::3], strict=True))
    return texts[version].strip() + "\n"


def _changelog(root: Path) -> str:
    return (root / "CHANGELOG.md").read_text(encoding="utf-8")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", root, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()
