"""`python -m tools.release VERSION`: check the checkout, and build the files of a release.

It is a dry run unless `--tag` is given: nothing is tagged, pushed or published. The workflow
.github/workflows/release.yaml publishes, when a tag is pushed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from image.base_image import NoBaseError
from testbed.clusters import NoClusterError
from testbed.go_tools import NoGoError
from tools.release import artifacts
from tools.release.checks import notes, problems

_ROOT: Final = Path(__file__).resolve().parents[2]


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.release")
    parser.add_argument("version", help="such as 0.2.0")
    parser.add_argument("--registry", required=True, help="where the image and the chart belong")
    parser.add_argument("--base", help="the base image, by digest for a release")
    parser.add_argument("--without-image", action="store_true", help="where there is no Docker")
    parser.add_argument("--tag", action="store_true", help="create the tag, if everything holds")
    options = parser.parse_args()
    found = list(problems(_ROOT, version=options.version))
    for problem in found:
        print(f"release: error: {problem}", file=sys.stderr)
    if found:
        return 1
    try:
        folder = _build(options)
    except (NoClusterError, NoBaseError, NoGoError, subprocess.CalledProcessError) as error:
        print(f"release: error: {error}", file=sys.stderr)
        return 1
    for line in (folder / artifacts.CHECKSUMS).read_text().splitlines():
        print(line)
    tag = f"v{options.version}"
    if not options.tag:
        print(f"release: dry run: nothing is published; {folder.relative_to(_ROOT)}/ has the files")
        return 0
    subprocess.run(["git", "tag", "--annotate", tag, "--message", tag], cwd=_ROOT, check=True)
    print(f"release: created {tag}; to publish, run: git push origin {tag}")
    return 0


def _build(options: argparse.Namespace) -> Path:
    version: str = options.version
    image = f"{options.registry}/keywright:{version}"
    folder = _ROOT / "dist" / "release"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    artifacts.python_packages(_ROOT, into=folder)
    artifacts.manifests(_ROOT, image=image, into=folder)
    artifacts.chart(_ROOT, version=version, image=image, into=folder)
    if not options.without_image:
        artifacts.image_archive(version=version, image=image, base=options.base, into=folder)
    (folder / "notes.md").write_text(notes(_ROOT, version=version))
    artifacts.checksums(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
