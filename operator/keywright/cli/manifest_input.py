"""Reading of manifests for the commands `lint`, `render`, `explain` and `create`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from keywright.cli.inventory import Inventory
    from keywright.cli.manifests import ReadResult


def add_path_argument(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add `-f`, which may be repeated."""
    parser.add_argument(
        "-f",
        "--filename",
        dest="paths",
        action="append",
        required=required,
        metavar="PATH",
        help="file, folder, or - for standard input; may be repeated",
    )


@contextmanager
def input_errors() -> Iterator[None]:
    """Turn a path that cannot be opened, or a missing package, into the error of a command."""
    try:
        yield
    except ImportError as error:
        raise CommandError(
            f"{error.name} is not installed",
            remedy="Run: pipx install 'keywright[cli]'",
            code=ExitCode.USAGE,
        ) from None
    except BrokenPipeError:
        raise  # of the output, which `main` handles
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        raise CommandError(f"{name}{error.strerror or error}", code=ExitCode.USAGE) from None


def inventory_of(read: ReadResult) -> Inventory:
    """The objects that were read."""
    from keywright.cli.inventory import Inventory  # noqa: PLC0415
    from keywright.cli.kustomizations import place  # noqa: PLC0415

    return Inventory(tuple(place(read)))


def report_problems(read: ReadResult, problems: Sequence[str]) -> ExitCode:
    """Print notes and problems to stderr; the exit code is 1 if there are problems."""
    from keywright.cli.yaml_output import inert  # noqa: PLC0415

    every = [f"{each.position}: {each.message}: {each.cure}" for each in read.problems] + list(
        problems
    )
    lines = [f"{note.position}: note: {note.message}" for note in read.notes]
    lines += [f"error: {problem}" for problem in every]
    sys.stderr.writelines(f"{inert(line)}\n" for line in lines)
    return ExitCode.FINDINGS if every else ExitCode.OK
