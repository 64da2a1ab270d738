"""Reading of manifests for the commands `render`, `explain` and `create`, with their errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from keywright.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from keywright.cli.inventory import Inventory


def add_path_argument(parser: argparse.ArgumentParser) -> None:
    """Add `-f`, which may be repeated."""
    parser.add_argument(
        "-f",
        "--filename",
        dest="paths",
        action="append",
        required=True,
        metavar="PATH",
        help="file, folder, or - for standard input; may be repeated",
    )


def run_with_inventory(
    paths: Sequence[str], run: Callable[[Inventory], Sequence[str]], *, command: str
) -> ExitCode:
    """Read the paths and run a command with them; it prints its output and returns problems.

    The exit code is 1 if there are problems, and 2 if a path or a package is missing.
    """
    try:
        from keywright.cli.inventory import Inventory  # noqa: PLC0415
        from keywright.cli.kustomizations import place  # noqa: PLC0415
        from keywright.cli.manifest_reader import read_paths  # noqa: PLC0415
        from keywright.cli.yaml_output import printable  # noqa: PLC0415

        read = read_paths(paths)
        problems = [f"{each.position}: {each.message}" for each in read.problems]
        problems += run(Inventory(tuple(place(read))))
    except ImportError as error:
        message = f"{error.name} is not installed: install keywright[cli]"
        sys.stderr.write(f"keywright {command}: {message}\n")
        return ExitCode.USAGE
    except OSError as error:
        sys.stderr.write(f"keywright {command}: {error.filename}: {error.strerror}\n")
        return ExitCode.USAGE
    lines = [f"{note.position}: note: {note.message}" for note in read.notes]
    lines += [f"error: {problem}" for problem in problems]
    sys.stderr.writelines(f"{printable(line)}\n" for line in lines)
    return ExitCode.FINDINGS if problems else ExitCode.OK
