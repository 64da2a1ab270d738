"""Assemble the application folder of the image, outside of Docker or in a build stage."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from image import sbom, tree, trim

BILL = "sbom.cdx.json"
"""The software bill of materials in the application folder."""


def assemble(target: tree.Target, *, into: Path) -> int:
    """Install the locked dependencies without unused parts, the operator and the bill of materials.

    Returns the bytes that were left out.

    Raises:
        subprocess.CalledProcessError: uv failed, and has printed the reason.
    """
    tree.install(target, into=into)
    freed = trim.trim(into)
    tree.list_only_files_that_exist(into)
    bill = sbom.bill_of_materials(into, lock=tree.RUNTIME, version=version())
    tree.add_operator(into, version=version())
    (into / BILL).write_text(json.dumps(bill, indent=1) + "\n")
    return freed


def version() -> str:
    """The version in pyproject.toml, the only place that defines it."""
    text = (tree.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])
