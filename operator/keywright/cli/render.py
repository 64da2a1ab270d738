"""`keywright render`: the Secrets of grants, with placeholders, and which workloads read them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keywright.cli.exit_codes import ExitCode
from keywright.cli.manifest_input import (
    add_path_argument,
    input_errors,
    inventory_of,
    report_problems,
)

if TYPE_CHECKING:
    from keywright.cli.inventory import GrantEntry, Inventory, WorkloadEntry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_path_argument(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=("yaml", "json"),
        default="yaml",
        help="output format; default: yaml",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Print each Secret; the exit code is 1 if one of the grants cannot be rendered."""
    with input_errors():
        from keywright.cli.manifest_reader import read_paths  # noqa: PLC0415

        read = read_paths(options.paths)
        rendered = list(render_all(inventory_of(read)))
        sys.stdout.write(_FORMATS[options.output](rendered))
    return report_problems(read, [problem for each in rendered for problem in each.problems])


@dataclass(frozen=True, slots=True)
class Rendered:
    """The Secret of a grant; None if `problems` say why it cannot be written."""

    grant: str
    place: str
    secret: dict[str, Any] | None
    readers: tuple[str, ...]
    remark: str = ""
    problems: tuple[str, ...] = ()


def render_all(inventory: Inventory) -> Iterator[Rendered]:
    """Render the Secret of each grant as the operator would."""
    for entry in inventory.grants:
        place = str(entry.placed.manifest.position())
        if entry.spec is None:
            problems = tuple(f"{place}: {error}" for error in entry.errors)
            yield Rendered(entry.placed.label, place, None, (), problems=problems)
            continue
        yield _render(inventory, entry, place)


def _render(inventory: Inventory, entry: GrantEntry, place: str) -> Rendered:
    from keywright.api.errors import RenderError  # noqa: PLC0415
    from keywright.cli.placeholders import PREVIOUS, placeholder_credential  # noqa: PLC0415
    from keywright.secrets.rendering import render, validate  # noqa: PLC0415

    assert entry.spec is not None
    source = inventory.source_of(entry)
    spec = None if source is None else source.spec
    grant = entry.spec if spec is None else entry.spec.with_formats_for(spec.traits)
    errors = [str(error) for error in validate(grant)]
    data: dict[str, str] = {}
    remark = "" if spec is not None else "its source is not among the manifests"
    if grant.is_bulk_import:
        remark = "one entry for each key of the imported file, by its name"
    elif not errors:
        try:
            credential = placeholder_credential(grant, source=spec)
            data = render(grant, credential=credential, previous=PREVIOUS)
        except RenderError as error:
            errors = [str(error)]
    readers = tuple(
        line for reader in inventory.readers_of(entry) for line in _reads(reader, grant.secret_name)
    )
    return Rendered(
        entry.placed.label,
        place,
        None if errors else _secret(entry, data),
        readers,
        remark=remark,
        problems=tuple(f"{place}: {error}" for error in errors),
    )


def _secret(entry: GrantEntry, data: dict[str, str]) -> dict[str, Any]:
    """The Secret without what changes with each key, and with its data as text."""
    from keywright.api.names import (  # noqa: PLC0415
        MANAGED_BY,
        MANAGED_BY_LABEL,
        WATCH_LABEL,
        WATCH_LABEL_VALUE,
    )

    grant = entry.spec
    assert grant is not None
    metadata: dict[str, Any] = {"name": grant.secret_name}
    if entry.placed.namespace is not None:
        metadata["namespace"] = entry.placed.namespace
    own = {MANAGED_BY_LABEL: MANAGED_BY, WATCH_LABEL: WATCH_LABEL_VALUE}
    metadata["labels"] = {**grant.spec.secret.labels, **own}
    if grant.spec.secret.annotations:
        metadata["annotations"] = dict(grant.spec.secret.annotations)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": grant.secret_type,
        "stringData": data,
    }


_MODES = {
    "environment": "as environment, read when a container starts",
    "file": "as files, updated by the kubelet",
    "fixed file": "as files with subPath, which are never updated",
    "image pull": "to pull images, read at each pull",
}


def _reads(workload: WorkloadEntry, secret: str) -> Iterator[str]:
    """One line for each way in which a workload reads the Secret."""
    keys: dict[tuple[str, str], list[str]] = {}
    for read in workload.reads:
        if read.secret == secret:
            keys.setdefault((read.mode, read.mount_path), []).append(read.key or "all keys")
    for (mode, path), names in keys.items():
        where = f" below {path}" if path else ""
        shown = ", ".join(dict.fromkeys(names))
        yield f"{workload.placed.label}: {shown}, {_MODES[mode]}{where}"


def _as_yaml(rendered: list[Rendered]) -> str:
    from keywright.cli.yaml_output import commented, dump_yaml  # noqa: PLC0415

    documents = []
    for each in rendered:
        lines = [f"The Secret of {each.grant} ({each.place})."]
        lines += [f"Note: {each.remark}."] if each.remark else []
        lines += (
            ["Read by:", *(f"  {reader}" for reader in each.readers)]
            if each.readers
            else ["Read by no workload among the manifests."]
        )
        if each.secret is not None:
            documents.append(commented(lines) + dump_yaml(each.secret))
    return "---\n".join(documents)


def _as_json(rendered: list[Rendered]) -> str:
    return (
        json.dumps(
            [
                {
                    "grant": each.grant,
                    "place": each.place,
                    "secret": each.secret,
                    "readers": list(each.readers),
                    "remark": each.remark,
                    "problems": list(each.problems),
                }
                for each in rendered
            ],
            indent=2,
        )
        + "\n"
    )


_FORMATS = {"yaml": _as_yaml, "json": _as_json}
