"""JSON schemas of Kubernetes for kubeconform, from the package kubernetes-validate.

Its schemas refer to one large file by a URL. Here each schema contains what it refers to, so that
nothing is downloaded and little is parsed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_PACKAGE: Final = _ROOT / ".cache/schemas/kubernetes_validate/kubernetes-json-schema"
_FILE: Final = "/api/_definitions.json"
_PREFIX: Final = "#/$defs/"

Schema = dict[str, Any]


def write_schemas(folder: Path, *, version: str, kinds: set[tuple[str, str]]) -> Path:
    """Write a schema for each pair of API version and kind; the others are not in `folder`.

    Raises:
        FileNotFoundError: the package has no schemas of this Kubernetes version.
    """
    source = _PACKAGE / f"v{version}.0-local-strict"
    definitions: Schema = json.loads((source / "_definitions.json").read_text())["$defs"]
    goal = folder / version
    shutil.rmtree(goal, ignore_errors=True)
    goal.mkdir(parents=True)
    for api_version, kind in sorted(kinds):
        name = _file_name(api_version, kind)
        if (source / name).is_file():
            schema = json.loads((source / name).read_text())
            (goal / name).write_text(json.dumps(_standalone(schema, definitions)))
    return goal


def _file_name(api_version: str, kind: str) -> str:
    """As kubeconform composes it: kind, the first part of the group, version."""
    group, _, version = api_version.rpartition("/")
    parts = [kind.lower(), *([group.split(".")[0]] if group else []), version]
    return f"{'-'.join(parts)}.json"


def _standalone(schema: Schema, definitions: Schema) -> Schema:
    needed: dict[str, Schema] = {}
    waiting = set(_references(schema))
    while waiting:
        name = waiting.pop()
        needed[name] = definitions[name]
        waiting |= set(_references(needed[name])) - needed.keys()
    text = json.dumps({**schema, "$defs": needed})
    complete: Schema = json.loads(text.replace(f'"{_FILE}{_PREFIX}', f'"{_PREFIX}'))
    complete.pop("$id", None)
    return complete


def _references(value: Any) -> Iterator[str]:
    """The names of the definitions that a part of a schema refers to."""
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_FILE).removeprefix(_PREFIX)
        for each in value.values():
            yield from _references(each)
