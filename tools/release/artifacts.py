"""Build each file of a release into a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from image.assemble import BILL
from image.build import build as build_image
from image.tree import find_uv
from testbed.clusters.kind.engine import Engine
from testbed.go_tools import TOOLS, go_tool
from tools.release.checks import changes

CHECKSUMS: Final = "SHA256SUMS"
_KUBECTL: Final = Path(sys.executable).with_name("kubectl")
# The kinds of Artifact Hub for the headings of the changelog, which are those of Keep a Changelog.
_KINDS: Final = ("added", "changed", "deprecated", "removed", "fixed", "security")
_PLATFORMS: Final = ("linux/amd64", "linux/arm64")


def python_packages(root: Path, *, into: Path) -> None:
    """Build the wheel and the source distribution, with the time of the last commit."""
    epoch = subprocess.run(
        ["git", "-C", root, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(
        [
            *(find_uv(), "build", "--quiet", "--out-dir", into),
            *("--require-hashes", "--build-constraints", root / "locks" / "release.txt", root),
        ],
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
        check=True,
    )
    (into / ".gitignore").unlink(missing_ok=True)


def manifests(root: Path, *, image: str, into: Path) -> None:
    """Write install.yaml, which has the CRDs and the default installation, and the CRDs alone."""
    crds = [path.read_text().rstrip("\n") for path in sorted((root / "crds").glob("*.yaml"))]
    done = subprocess.run(
        [_KUBECTL, "kustomize", root / "manifests"], capture_output=True, text=True, check=True
    )
    installed = with_image(done.stdout, image=image)
    (into / "crds.yaml").write_text("\n---\n".join(crds) + "\n")
    (into / "install.yaml").write_text("\n---\n".join([*crds, installed]))


def with_image(text: str, *, image: str) -> str:
    """The same manifests with another image of the operator."""
    found = [
        line.split("image: ", 1)[1]
        for line in text.splitlines()
        if line.lstrip(" -").startswith("image: ")
    ]
    (shipped,) = set(found)
    return text.replace(f"image: {shipped}", f"image: {image}")


def chart(root: Path, *, version: str, image: str, into: Path) -> None:
    """Pack the chart, with the links resolved, and Artifact Hub's annotations of this version."""
    with tempfile.TemporaryDirectory(prefix="keywright-chart-") as scratch:
        copy = Path(scratch) / "keywright"
        shutil.copytree(root / "manifests" / "chart", copy)
        described: dict[str, Any] = yaml.safe_load((copy / "Chart.yaml").read_text())
        described["annotations"] |= annotations_of(root, version=version, image=image)
        (copy / "Chart.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
        values = (copy / "values.yaml").read_text()
        repository = image.rpartition(":")[0]
        shipped = yaml.safe_load(values)["image"]["repository"]
        (copy / "values.yaml").write_text(
            values.replace(f"repository: {shipped}\n", f"repository: {repository}\n", 1)
        )
        helm = go_tool("helm", module=TOOLS / "helm")
        subprocess.run(
            [helm, "package", copy, "--destination", into], stdout=subprocess.DEVNULL, check=True
        )


def annotations_of(root: Path, *, version: str, image: str) -> dict[str, str]:
    """Artifact Hub's annotations that follow from the version."""
    listed = [
        {"kind": kind.lower(), "description": text}
        for kind, text in changes(root, version=version)
        if kind.lower() in _KINDS
    ]
    images = [{"name": "keywright", "image": image, "platforms": list(_PLATFORMS)}]
    return {
        "artifacthub.io/changes": yaml.safe_dump(listed, sort_keys=False),
        "artifacthub.io/images": yaml.safe_dump(images, sort_keys=False),
        "artifacthub.io/prerelease": "true" if "-" in version else "false",
    }


def image_archive(*, version: str, image: str, base: str | None, into: Path) -> None:
    """Build the image for this machine's platform, and save it with its bill of materials.

    The workflow builds the image that it pushes, for both platforms, from the same Dockerfile and
    the same base image.

    Raises:
        NoClusterError: there is no Docker engine, and none can be started.
        NoBaseError: there is no base image.
    """
    with Engine() as engine:
        build_image(engine, name=image, requested_base=base)
        engine.docker("save", "--output", into / f"keywright-{version}-image.tar", image)
        # From the image, because one that was built before is not built again.
        bill = engine.docker(
            *("run", "--rm", "--network=none", "--entrypoint=python3", image),
            *("-c", f"print(open('/app/{BILL}').read())"),
        )
    (into / f"keywright-{version}.{BILL.removeprefix('sbom.')}").write_text(f"{bill}\n")


def checksums(folder: Path) -> Path:
    """Write the SHA-256 sums of all files, as `sha256sum --check` reads them."""
    sums = folder / CHECKSUMS
    sums.unlink(missing_ok=True)
    lines = [f"{_sha256(path)}  {path.name}\n" for path in _files(folder)]
    sums.write_text("".join(lines))
    return sums


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
