"""The CustomResourceDefinitions that this version ships, as package data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from keywright.api.names import GRANT_KIND, GRANT_PLURAL, GROUP, SOURCE_KIND, SOURCE_PLURAL
from keywright.cli.manifest_reader import read_bytes
from keywright.cli.manifests import ReadResult

PLURALS: Final = {SOURCE_KIND: SOURCE_PLURAL, GRANT_KIND: GRANT_PLURAL}
"""The kinds that have a CustomResourceDefinition."""


@cache
def definition_of(kind: str) -> Mapping[str, Any]:
    """The CustomResourceDefinition of a kind."""
    file = resources.files("keywright") / "crds" / f"{PLURALS[kind]}.{GROUP}.yaml"
    result = ReadResult()
    read_bytes(file.read_bytes(), file=file.name, into=result)
    (manifest,) = result.manifests
    return manifest.body


@cache
def schemas_of(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """The schema of each served version of a kind."""
    return {
        version["name"]: version["schema"]["openAPIV3Schema"]
        for version in definition_of(kind)["spec"]["versions"]
        if version["served"]
    }
