"""`make docs VERSION=0.2.0`: several versions of the documentation beside each other.

Each version is a folder of dist/versions. `versions.json` lists them for the version menu of the
theme, `latest/` is a copy of the highest one, and each page of it has a redirect at the root, which
is where messages of the operator link to (`--docs-url`).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_SITE: Final = ROOT / "dist" / "versions"
# Beside mkdocs.yml: the folders of a configuration may not be above it.
_CONFIGURATION: Final = ROOT / ".mkdocs-version.yml"
_LATEST: Final = "latest"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)*")
_REDIRECT: Final = """<!doctype html>
<meta charset="utf-8">
<title>Keywright</title>
<link rel="canonical" href="{goal}">
<script>location.replace("{goal}" + location.search + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={goal}"></noscript>
<a href="{goal}">{goal}</a>
"""


def configuration(text: str, *, folder: str) -> str:
    """The configuration of the site for one version: its folder, and the version menu."""
    text = re.sub(r"(?m)^site_dir: .*$", f"site_dir: {folder}", text)
    return f"{text}extra:\n  version:\n    provider: mike\n"


def publish(site: Path, version: str) -> None:
    """Add the folder of a version to those that were published before.

    Everything else in `site` follows from the folders of the versions, and is written again.
    """
    index = site / "versions.json"
    before = json.loads(index.read_text(encoding="utf-8")) if index.exists() else []
    names = {version, *(each["version"] for each in before if (site / each["version"]).is_dir())}
    versions = sorted(names, key=_order, reverse=True)
    for path in site.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    latest = shutil.copytree(site / versions[0], site / _LATEST)
    for page in sorted(latest.rglob("[!4]*.html")):
        place = page.relative_to(latest)
        start = site / place
        start.parent.mkdir(parents=True, exist_ok=True)
        goal = f"{'../' * (len(place.parts) - 1)}{_LATEST}/{place.as_posix()}"
        start.write_text(_REDIRECT.format(goal=goal), encoding="utf-8")
    listed = [
        {"version": name, "title": name, "aliases": [_LATEST] if name == versions[0] else []}
        for name in versions
    ]
    index.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write the configuration of a version, or publish its folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.site_versions")
    parser.add_argument("version", type=_version)
    parser.add_argument("--publish", action="store_true", help="after the site was built")
    options = parser.parse_args(arguments)
    if options.publish:
        publish(_SITE, options.version)
        return 0
    folder = _SITE / options.version
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    _CONFIGURATION.write_text(
        configuration(text, folder=str(folder.relative_to(ROOT))),
        encoding="utf-8",
    )
    return 0


def _version(text: str) -> str:
    if text == _LATEST or not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version: write it like 0.2.0 or dev")
    return text


def _order(version: str) -> tuple[bool, tuple[int, ...], str]:
    """Numbers by value, and before every other name, such as dev."""
    if not _NUMBERS.fullmatch(version):
        return False, (), version
    return True, tuple(map(int, version.split("."))), version


if __name__ == "__main__":
    sys.exit(main())
