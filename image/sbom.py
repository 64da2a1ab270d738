"""The bill of materials of a tree: CycloneDX 1.6 as JSON, with the hashes of the lock.

Format: https://cyclonedx.org/docs/1.6/json/. Package URLs: "pypi" of the purl types.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LOCKED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class NotInLockError(RuntimeError):
    """The tree has a distribution that the lock does not list."""


def bill_of_materials(tree: Path, *, lock: Path, version: str) -> dict[str, Any]:
    """The operator of that version, and each distribution that the tree has.

    A component has the hash of every file that the lock allows for it: which of them was installed
    depends on the platform.

    Raises:
        NotInLockError: something is in the tree that the lock does not have.
    """
    locked = dict(_locked(lock.read_text(encoding="utf-8")))
    components = [
        _component(distribution, locked=locked)
        for distribution in importlib.metadata.distributions(path=[str(tree)])
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "keywright",
                "name": "keywright",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": sorted(components, key=lambda component: str(component["name"])),
        "dependencies": [
            {"ref": "keywright", "dependsOn": sorted(each["bom-ref"] for each in components)}
        ],
    }


def normal(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked(text: str) -> Iterator[tuple[tuple[str, str], list[str]]]:
    for entry in text.replace("\\\n", " ").splitlines():
        if found := _LOCKED.match(entry):
            yield (normal(found["name"]), found["version"]), _HASH.findall(entry)


def _component(
    distribution: importlib.metadata.Distribution, *, locked: dict[tuple[str, str], list[str]]
) -> dict[str, Any]:
    name, version = normal(distribution.metadata["Name"]), distribution.version
    if (name, version) not in locked:
        raise NotInLockError(f"{name} {version} is in the tree, and not in the lock")
    purl = f"pkg:pypi/{name}@{version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in locked[name, version]],
    }
    if "License-Expression" in distribution.metadata:
        component["licenses"] = [{"expression": distribution.metadata["License-Expression"]}]
    return component
