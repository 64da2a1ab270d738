"""Read Kubernetes manifests from files, folders and standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from keywright.cli.manifests import Position, ProblemKind, ReadNote, ReadProblem, ReadResult
from keywright.cli.yaml_documents import KUSTOMIZATIONS, read_documents

MOST_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of a file; a rendered repository of some thousand objects has a few MiB."""
STDIN: Final = "<stdin>"
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_CHART: Final = "Chart.yaml"


def read_paths(paths: Iterable[str], *, stdin: BinaryIO | None = None) -> ReadResult:
    """Read files, folders with everything below them, and standard input for `-`.

    Raises:
        OSError: a path that was given does not exist or cannot be opened.
    """
    result = ReadResult()
    for path in dict.fromkeys(paths):
        before = result.size
        if path == "-":
            read_bytes((stdin or sys.stdin.buffer).read(MOST_BYTES + 1), file=STDIN, into=result)
        elif Path(path).is_dir():
            for file in _files_below(Path(path), result):
                _read_file(file, into=result)
        else:
            with Path(path).open("rb") as stream:
                read_bytes(stream.read(MOST_BYTES + 1), file=path, into=result)
        if result.size == before:
            name = STDIN if path == "-" else path
            result.notes.append(ReadNote(Position(name), f"no object was found in {name}"))
    return result


def _files_below(root: Path, result: ReadResult) -> Iterator[Path]:
    """The manifests of a folder, without hidden folders and templates of Helm charts."""

    def refuse(error: OSError) -> None:
        if error.filename == str(root):
            raise error
        result.problems.append(_cannot_open(str(error.filename), error))

    for name, folders, files in os.walk(root, onerror=refuse):
        here = Path(name)
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        if _CHART in files and "templates" in folders:
            folders.remove("templates")
            message = (
                "the templates of a Helm chart are left out:"
                f" run `helm template {here} | keywright lint -`"
            )
            result.notes.append(ReadNote(Position(str(here / "templates")), message))
        for file in sorted(files):
            path = here / file
            if (path.suffix in _SUFFIXES or file in KUSTOMIZATIONS) and path.is_file():
                yield path


def _read_file(path: Path, *, into: ReadResult) -> None:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        into.problems.append(_cannot_open(str(path), error))
        return
    if path.suffix == ".json" and b'"apiVersion"' not in data:
        return
    read_bytes(data, file=str(path), into=into)


def _cannot_open(path: str, error: OSError) -> ReadProblem:
    return ReadProblem(
        ProblemKind.UNREADABLE,
        Position(path),
        f"{path} cannot be opened ({error.strerror})",
        "allow the command to read it, or leave it out",
    )


def read_bytes(data: bytes, *, file: str, into: ReadResult) -> None:
    """Read the documents of one file."""
    problem = cure = text = ""
    if len(data) > MOST_BYTES:
        problem, cure = f"is larger than {MOST_BYTES // 1024 // 1024} MiB", "split the file"
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem, cure = f"is no UTF-8 text (byte {error.start})", "save it as UTF-8"
    if problem:
        message = f"the file {problem}"
        into.problems.append(ReadProblem(ProblemKind.UNREADABLE, Position(file), message, cure))
        return
    read_documents(text.replace("\r\n", "\n"), file=file, into=into)
