"""What the operator never loads is left out of the image: models of services and resources.

It asks a few services of AWS, and Kubernetes with plain dictionaries.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The clients that the operator makes (keywright.clouds.aws.client_cache, SERVICES).
AWS_SERVICES = ("apigateway", "codeartifact", "ecr", "iam", "rolesanywhere", "sts")


@dataclass(frozen=True, slots=True)
class Emptied:
    """A folder of which only these names stay, and files at its top where `files` says so."""

    folder: str
    kept: tuple[str, ...] = ()
    files: bool = False


# kopf and the client's own loading of kubeconfigs import these.
_MODELS = (
    "__init__.py",
    "v1_managed_fields_entry.py",
    "v1_object_meta.py",
    "v1_owner_reference.py",
)


def emptied(services: Sequence[str]) -> tuple[Emptied, ...]:
    """What is emptied where those services of AWS are asked."""
    return (
        Emptied("botocore/data", kept=tuple(services), files=True),
        Emptied("boto3/data"),
        Emptied("boto3/examples"),
        *(
            Emptied(f"kubernetes/{client}/{folder}", kept=kept)
            for client in ("client", "aio/client")
            for folder, kept in (("api", ("__init__.py",)), ("models", _MODELS))
        ),
    )


# Modules of CEL that no rule of the CRDs uses, and stubs for type checkers.
_UNUSED = (
    "cel_expr_python/ext/ext_encoders.*",
    "cel_expr_python/ext/ext_proto.*",
    "**/*.pyi",
)


def trim(tree: Path, *, services: Sequence[str] = AWS_SERVICES) -> int:
    """Leave it out; the bytes that it had.

    Raises:
        FileNotFoundError: a folder is not there: the library has moved it, and this list is old.
    """
    freed = 0
    for rule in emptied(services):
        for path in sorted((tree / rule.folder).iterdir()):
            if path.name in rule.kept or (rule.files and path.is_file()):
                continue
            freed += size(path)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    for path in {path for pattern in _UNUSED for path in tree.glob(pattern)}:
        freed += size(path)
        path.unlink()
    return freed


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
