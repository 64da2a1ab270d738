"""Puts the image together, and lets docker wrap it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from image import base_image, tree, trim
from image.assemble import BILL, assemble, version
from testbed.clusters.kind.engine import Engine

_PARTS = "dev.keywright.parts"
_DOCKERFILE = tree.ROOT / "Dockerfile"
_LAST_STAGE = "\nFROM base\n"
# In place of the build stages: the application is assembled outside, and sealed in the base.
_PREPARED = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS base
FROM base AS build
COPY app /out/app
COPY image /src/image
WORKDIR /src
RUN ["python3", "-m", "image.seal", "/out/app"]
"""


def build(engine: Engine, *, name: str, requested_base: str | None = None) -> str:
    """The image's name, with the image in the engine.

    Raises:
        base_image.NoBaseError: there is nothing to build it on.
    """
    is_based_on = base_image.choose(engine, requested=requested_base)
    target = base_image.python_of(engine, is_based_on)
    parts = _parts(engine.docker("image", "inspect", "--format", "{{.Id}}", is_based_on))
    if engine.has_image(name) and engine.label(name, _PARTS) == parts:
        return name
    with tempfile.TemporaryDirectory(prefix="keywright-image-") as scratch:
        context = Path(scratch)
        app = context / "app"
        freed = assemble(target, into=app)
        shutil.copytree(Path(__file__).parent, context / "image")
        (context / "Dockerfile").write_text(prepared_dockerfile())
        kept = tree.ROOT / "dist" / "keywright.cdx.json"
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(app / BILL, kept)
        engine.docker(
            *("build", "--quiet", "--tag", name),
            *("--build-arg", f"BASE_IMAGE={is_based_on}"),
            *("--label", f"{_PARTS}={parts}", *_labels()),
            context,
        )
        print(
            f"image: {name} on {is_based_on}: {trim.size(app) / 1e6:.0f} MB beside it before its"
            f" bytecode ({freed / 1e6:.0f} MB left out); {kept.relative_to(tree.ROOT)}",
            flush=True,
        )
    return name


def prepared_dockerfile() -> str:
    """The last stage of the Dockerfile, after a build stage that needs no network."""
    _, separator, last = _DOCKERFILE.read_text(encoding="utf-8").rpartition(_LAST_STAGE)
    return f"{_PREPARED}{separator}{last}"


def _labels() -> list[str]:
    """OCI's annotations that are known only now; a revision is one of a clean checkout."""
    labels = [f"--label=org.opencontainers.image.version={version()}"]
    git = ["git", "-C", str(tree.ROOT)]
    if shutil.which("git") is None:
        return labels
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, check=False)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if changed.returncode == head.returncode == 0 and not changed.stdout:
        labels.append(f"--label=org.opencontainers.image.revision={head.stdout.strip()}")
    return labels


def _parts(base_id: str) -> str:
    """A digest of all that the image is made of."""
    operator = tree.ROOT / "operator" / "keywright"
    sources = [path for ending in ("py", "json") for path in operator.rglob(f"*.{ending}")]
    ours = Path(__file__).parent.glob("*.py")
    paths = [tree.RUNTIME, tree.BUILD, _DOCKERFILE, *sources, *ours]
    return tree.digest_of(paths, also=f"{base_id} {_labels()}")
