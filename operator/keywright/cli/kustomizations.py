"""Which namespace kustomize gives an object, and which files are patches instead of objects.

Folders are read without kustomize, as they are in Git. Of a kustomization, the lists of resources,
the namespace and the files of patches are followed; everything else needs `kustomize build`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile
from pathlib import Path, PurePath
from typing import Any

from keywright.api.names import GROUP
from keywright.cli.manifests import Manifest, ReadNote, ReadResult, list_of, mapping_of


@dataclass(frozen=True, slots=True)
class Placed:
    """An object in the namespace that it gets; None if another tool decides it.

    `unit` is the kustomization that builds the object, or the folder of its environment: objects of
    different units may belong to different clusters.
    """

    manifest: Manifest
    namespace: str | None
    unit: str = ""

    @property
    def label(self) -> str:
        """Kind, namespace and name for messages."""
        prefix = f"{self.namespace}/" if self.namespace else ""
        return f"{self.manifest.kind} {prefix}{self.manifest.name}"


def place(result: ReadResult) -> list[Placed]:
    """Return every object once for each kustomization that builds it, with its namespace."""
    builds = _Builds({_real(file): body for file, body in result.kustomizations.items()})
    patches = builds.patches()
    placed = []
    skipped = set()
    for manifest in result.manifests:
        file = _real(manifest.file)
        if file in patches:
            if file not in skipped:
                message = (
                    "the file is a patch of a kustomization: lint the output of `kustomize build`"
                )
                result.notes.append(ReadNote(manifest.position(), message))
                skipped.add(file)
            continue
        for unit, namespace in builds.of(file):
            placed.append(Placed(manifest, namespace or manifest.namespace, unit))
    folders = _environments(each.manifest for each in placed if not each.unit)
    return [each if each.unit else replace(each, unit=_unit(each, folders)) for each in placed]


def _environments(manifests: Iterable[Manifest]) -> frozenset[tuple[str, ...]]:
    """The folders of environments: below each of several folders is a copy of one object.

    As `envs/dev` and `envs/prod`, if both have the same source or grant somewhere below.
    """
    places: dict[tuple[str, str | None, str], set[tuple[str, ...]]] = {}
    for manifest in manifests:
        if manifest.group == GROUP:
            identity = (manifest.kind, manifest.namespace, manifest.name)
            places.setdefault(identity, set()).add(PurePath(manifest.file).parent.parts)
    found: set[tuple[str, ...]] = set()
    for folders in places.values():
        for one, other in pairwise(sorted(folders)):
            same = sum(
                1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
            )
            found.update(each[: same + 1] for each in (one, other))
    return frozenset(found)


def _unit(placed: Placed, folders: frozenset[tuple[str, ...]]) -> str:
    parts = PurePath(placed.manifest.file).parent.parts
    above = (parts[:size] for size in range(len(parts), 0, -1))
    return str(PurePath(*next((each for each in above if each in folders), ("",))))


def _real(file: str) -> str:
    return os.path.normpath(os.path.abspath(file))  # noqa: PTH100  links stay as they are


@dataclass(slots=True)
class _Builds:
    """The kustomizations by their file."""

    bodies: Mapping[str, Mapping[str, Any]]
    built: dict[str, set[tuple[str, str | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        referenced = {
            other for file in self.bodies for other in self._entries(file) if other in self.bodies
        }
        for file in self.bodies:
            if file not in referenced:
                self._visit(file, unit=file, namespace=None, above=frozenset())

    def of(self, file: str) -> list[tuple[str, str | None]]:
        """The kustomizations that build a file, each with its namespace."""
        return sorted(self.built.get(file, {("", None)}), key=str)

    def patches(self) -> frozenset[str]:
        """The files that are applied to other objects."""
        return frozenset(
            os.path.normpath(Path(file).parent / name)
            for file, body in self.bodies.items()
            for name in _patch_files(body)
        )

    def _visit(self, file: str, *, unit: str, namespace: str | None, above: frozenset[str]) -> None:
        """Note what a kustomization builds; the outermost namespace wins, as in kustomize."""
        if file in above:
            return
        own = self.bodies[file].get("namespace")
        chosen = namespace or (str(own) if own else None)
        for entry in self._entries(file):
            if entry in self.bodies:
                self._visit(entry, unit=unit, namespace=chosen, above=above | {file})
            else:
                self.built.setdefault(entry, set()).add((unit, chosen))

    def _entries(self, file: str) -> Iterator[str]:
        """The files that a kustomization lists; a folder stands for its kustomization."""
        for group in ("resources", "bases", "components"):
            for name in list_of(self.bodies[file].get(group)):
                if not isinstance(name, str):
                    continue
                path = os.path.normpath(Path(file).parent / name)
                inside = (
                    f"{path}/{each}"
                    for each in ("kustomization.yaml", "kustomization.yml", "Kustomization")
                )
                yield next((each for each in inside if each in self.bodies), path)


def _patch_files(body: Mapping[str, Any]) -> Iterator[str]:
    for group in ("patches", "patchesJson6902", "replacements"):
        for patch in list_of(body.get(group)):
            path = mapping_of(patch).get("path")
            if isinstance(path, str):
                yield path
    for name in ("patchesStrategicMerge", "transformers", "generators", "configurations"):
        for each in list_of(body.get(name)):
            if isinstance(each, str) and "\n" not in each:
                yield each
